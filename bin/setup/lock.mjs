/**
 * One set-up at a time in a folder, and nothing half-done left in it. The lock is a file with the owner's process in it that
 * the owner touches now and then: it counts as left behind when the process is gone, or was not heard of for a while.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HEARTBEAT_MS = 2_000;
/** Longer than any pause of a living owner: a laptop's sleep ends it, rightly. */
const STALE_MS = 60_000;
const POLL_MS = 250;

/**
 * Runs `work` while no other process does in this folder.
 * @param {() => void} onWait called once when another holds the lock
 */
export function withLock(folder, work, onWait) {
  mkdirSync(folder, { recursive: true });
  return withLockFile(join(folder, 'setup.lock'), work, { onWait, clean: () => sweep(folder) });
}

/**
 * Runs `work` while no other process holds this lock file, whose folder must be there.
 * @param {{ onWait?: () => void, clean?: () => void }} hooks onWait: called once when another holds the lock; clean: called
 *   by its owner, before the work and after it, or at an early end of the process
 */
export async function withLockFile(file, work, { onWait = () => {}, clean = () => {} } = {}) {
  let waited = false;
  while (!acquire(file)) {
    if (!waited) onWait();
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS);
  const release = () => {
    clean(); // nothing to do after good work; at an early end of the process it is what was begun
    rmSync(file, { force: true });
  };
  process.once('exit', release);
  try {
    clean();
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.removeListener('exit', release);
    release();
  }
}

/** A fresh folder for unfinished work; the next owner of the lock removes it if we don't. */
export function temporaryFolder(folder) {
  const path = join(folder, `tmp-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Removes what an interrupted set-up left; only for the owner of the lock. */
function sweep(folder) {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('tmp-')) rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

function acquire(file) {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname() }), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const owner = leftBehind(file);
    if (owner !== undefined) removeStale(file, owner);
    return false;
  }
}

/** What stands in a lock that nobody holds any more; undefined for one that is held. */
function leftBehind(file) {
  try {
    const text = readFileSync(file, 'utf8');
    if (Date.now() - statSync(file).mtimeMs > STALE_MS) return text;
    const owner = JSON.parse(text);
    return owner.host === hostname() && !isAlive(owner.pid) ? text : undefined;
  } catch {
    return undefined; // gone, or just being written
  }
}

/** Renamed first: of several that wait one gets it, and a lock that another has taken meanwhile is put back. */
function removeStale(file, text) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, 'utf8') === text) rmSync(aside, { force: true });
    else renameSync(aside, file);
  } catch {
    // another was faster
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function touch(file) {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // removed by someone: the work goes on, the result is renamed into place anyway
  }
}
