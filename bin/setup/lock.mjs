/**
 * One set-up at a time in a folder, and nothing half-done left in it. The lock is a file with the owner's process in it that
 * the owner touches now and then: it counts as left behind when the process is gone or, where that can't be told (another
 * machine's), was not heard of for a while.
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
 * @param {{ onWait?: () => void, clean?: () => void, signal?: AbortSignal }} hooks onWait: called once when another holds the
 *   lock; clean: called by its owner, before the work and after it, or at an early end of the process; signal: ends the wait
 */
export async function withLockFile(file, work, { onWait = () => {}, clean = () => {}, signal } = {}) {
  let waited = false;
  while (!acquire(file)) {
    if (!waited) onWait();
    waited = true;
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  // Nothing is left to clean after good work; at an early end of the process it is what was begun.
  const release = keep(file, clean);
  try {
    clean();
    return await work();
  } finally {
    release();
  }
}

/**
 * Takes a lock file, whose folder must be there, or tells who holds it.
 * @param {{ silentMs?: number }} options a lock of another machine counts as left behind after so long without a sign of life
 */
export function tryLockFile(file, { silentMs = STALE_MS } = {}) {
  // A second try for a lock that was left behind, a third in case that somebody else was faster and is done.
  for (let tries = 0; tries < 3; tries++) if (acquire(file, silentMs)) return { release: keep(file) };
  return { owner: ownerOf(file) ?? {} };
}

/** Touches a lock that is held now and then. @returns gives it back, which the end of the process does too */
function keep(file, before = () => {}) {
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    clearInterval(heartbeat);
    process.removeListener('exit', release);
    before();
    rmSync(file, { force: true });
  };
  process.once('exit', release);
  return release;
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

function acquire(file, silentMs = STALE_MS) {
  try {
    const owner = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
    writeFileSync(file, JSON.stringify(owner), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const owner = leftBehind(file, silentMs);
    if (owner !== undefined) removeStale(file, owner);
    return false;
  }
}

/** What stands in a lock that nobody holds any more; undefined for one that is held. */
function leftBehind(file, silentMs) {
  try {
    const text = readFileSync(file, 'utf8');
    const silent = Date.now() - statSync(file).mtimeMs > silentMs;
    const { pid, host, started } = ownerOf(file) ?? {};
    if (host !== hostname()) return silent ? text : undefined;
    if (!isAlive(pid)) return text;
    // A number is given to another process sooner or later, after a restart of a container at once.
    const now = startOf(pid);
    if (started !== undefined && now !== undefined) return started === now ? undefined : text;
    return silent ? text : undefined;
  } catch {
    return undefined; // gone
  }
}

/** Who holds a lock; undefined when it is gone or was cut off while it was written. */
function ownerOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** When a process started, in ticks since the start of the machine; undefined where /proc doesn't tell (proc(5), stat). */
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
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
