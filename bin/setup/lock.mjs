/**
 * Lock files for mutual exclusion between processes. The file has the owner's process, and the owner updates its
 * modification time periodically. A lock is stale when its process no longer exists or, where that cannot be determined
 * (another machine), when it was not updated for some time.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HEARTBEAT_MS = 2_000;
/** Longer than any pause of a running owner, except a suspended machine, whose lock becomes stale. */
const STALE_MS = 60_000;
const POLL_MS = 250;

/**
 * Runs `work` with the lock of a folder; removes temporary folders of interrupted processes before.
 * @param {() => void} onWait called once when another process holds the lock
 */
export function withLock(folder, work, onWait) {
  mkdirSync(folder, { recursive: true });
  return withLockFile(join(folder, 'setup.lock'), work, { onWait, clean: () => sweep(folder) });
}

/**
 * Runs `work` with a lock file, whose folder must exist.
 * @param {{ onWait?: () => void, clean?: () => void, signal?: AbortSignal }} hooks onWait: called once when another process
 *   holds the lock; clean: called by the owner before and after the work, and when the process exits; signal: ends the wait
 */
export async function withLockFile(file, work, { onWait = () => {}, clean = () => {}, signal } = {}) {
  let waited = false;
  while (!acquire(file)) {
    if (!waited) onWait();
    waited = true;
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  // `clean` also runs when the process exits early, to remove unfinished work.
  const release = keep(file, clean);
  try {
    clean();
    return await work();
  } finally {
    release();
  }
}

/**
 * Acquires a lock file, whose folder must exist, without waiting.
 * @param {{ silentMs?: number }} options silentMs: a lock of another machine is stale after this time without an update
 * @returns { release }, or { owner } when another process holds the lock
 */
export function tryLockFile(file, { silentMs = STALE_MS } = {}) {
  // A second try after a stale lock was removed, a third if another process has acquired and released it meanwhile.
  for (let tries = 0; tries < 3; tries++) if (acquire(file, silentMs)) return { release: keep(file) };
  return { owner: ownerOf(file) ?? {} };
}

/** Updates a held lock periodically. @returns a function that releases it, which is also called when the process exits */
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

/** Creates a folder for unfinished work; the next owner of the lock removes it after an interruption. */
export function temporaryFolder(folder) {
  const path = join(folder, `tmp-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Removes temporary folders of an interrupted set-up; only for the owner of the lock. */
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
    const owner = staleContents(file, silentMs);
    if (owner !== undefined) removeStale(file, owner);
    return false;
  }
}

/** Contents of a stale lock; undefined for one that is held. */
function staleContents(file, silentMs) {
  try {
    const text = readFileSync(file, 'utf8');
    const silent = Date.now() - statSync(file).mtimeMs > silentMs;
    const { pid, host, started } = ownerOf(file) ?? {};
    if (host !== hostname()) return silent ? text : undefined;
    if (!isAlive(pid)) return text;
    // Process numbers are reused, immediately after the restart of a container: the start time is compared, too.
    const now = startOf(pid);
    if (started !== undefined && now !== undefined) return started === now ? undefined : text;
    return silent ? text : undefined;
  } catch {
    return undefined; // gone
  }
}

/** Owner of a lock; undefined when the file does not exist or is incomplete. */
function ownerOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Start time of a process in clock ticks since boot (proc(5), stat, field 22); undefined without /proc. */
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Renames the lock first: only one of several waiting processes succeeds, and a lock acquired meanwhile is restored. */
function removeStale(file, text) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, 'utf8') === text) rmSync(aside, { force: true });
    else renameSync(aside, file);
  } catch {
    // another process has removed it
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
    // the file was removed: the work continues, since its result is moved into place by a rename
  }
}
