/**
 * Atomic writing of files: to a temporary file in the same folder, which is flushed to the disk and then renamed (rename
 * within a folder is atomic: POSIX rename(2), MoveFileEx on Windows). Readers never see a partial file, and after a crash,
 * Ctrl-C or on a full disk the previous file is unchanged.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { messageOf, UserError } from '../core/errors.js';

/** A file that is being written. It appears under its name with `commit`. */
export interface AtomicFile {
  /** Name of the temporary file, in the same folder. */
  readonly temporary: string;
  /** Bytes written so far. */
  readonly size: number;
  write(data: string | Uint8Array): void;
  /** Flushes the file and moves it to its name. */
  commit(): void;
  /** Removes the temporary file; no effect after `commit`. */
  abort(): void;
}

/** Options of atomic writing. */
export interface AtomicOptions {
  /** Permission bits of a new file, default 0o666; the umask applies. */
  mode?: number;
  /** Create missing folders; default true. */
  makeFolder?: boolean;
}

let counter = 0;
const unfinished = new Set<string>();

process.on('exit', () => {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
});

/** Starts writing a file in pieces. @throws UserError 'cannot-write' (exit code 1), also from its methods */
export function openAtomic(path: string, options: AtomicOptions = {}): AtomicFile {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${threadId}-${counter++}.part`);
  const fd = orCannotWrite(path, () => {
    refuseFolder(path);
    if (options.makeFolder !== false) mkdirSync(dirname(path), { recursive: true });
    return openSync(temporary, 'wx', options.mode ?? 0o666);
  });
  unfinished.add(temporary);
  let open = true;
  let size = 0;
  const abort = (): void => {
    if (open) closeSync(fd);
    open = false;
    if (unfinished.delete(temporary)) rmSync(temporary, { force: true });
  };
  const orAbort = (step: () => void): void => {
    try {
      orCannotWrite(path, step);
    } catch (error) {
      abort();
      throw error;
    }
  };
  return {
    temporary,
    get size() {
      return size;
    },
    write(data) {
      orAbort(() => {
        size += writeAll(fd, typeof data === 'string' ? Buffer.from(data) : data);
      });
    },
    commit() {
      orAbort(() => {
        fsyncSync(fd);
        open = false;
        closeSync(fd);
        replaceFile(temporary, path);
        unfinished.delete(temporary);
      });
    },
    abort,
  };
}

/**
 * Writes a file atomically.
 * @throws UserError 'cannot-write' (exit code 1): disk full, no permission, the name is a folder …
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: AtomicOptions = {}): void {
  const file = openAtomic(path, options);
  file.write(data);
  file.commit();
}

/** Removes temporary files of killed processes from a folder that no other process is writing to. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^\..+\.\d+-\d+-\d+\.part$/.test(name)) rmSync(join(folder, name), { force: true });
  }
}

/** Removes the path when this process exits, unless `finished` was called before. */
export function unfinishedUntil(path: string): { finished(): boolean } {
  unfinished.add(path);
  return { finished: () => unfinished.delete(path) };
}

/** Kind of a directory entry for messages: 'a folder', 'a pipe' … */
export function kindOfFile(info: Stats): string {
  if (info.isDirectory()) return 'a folder';
  if (info.isFIFO()) return 'a pipe';
  if (info.isSocket()) return 'a socket';
  return info.isFile() ? 'a file' : 'a device';
}

function writeAll(fd: number, bytes: Uint8Array): number {
  // One call writes at most 2^31 − 4096 bytes on Linux, and may write fewer.
  const max = 1 << 26;
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, Math.min(max, bytes.length - at));
  return bytes.length;
}

function refuseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError('cannot-write', `cannot write ${path}: a folder has that name`, 'give another name', 1);
}

const HINTS: Record<string, string> = {
  ENOSPC: 'the disk is full: free some space or write elsewhere; nothing was changed',
  EDQUOT: 'the disk quota is exceeded: free some space or write elsewhere; nothing was changed',
  EACCES: 'there is no permission to write there: choose another folder',
  EPERM: 'there is no permission to write there: choose another folder',
  EROFS: 'that disk is read-only: choose another folder',
  ENOENT: 'the folder does not exist: create it first or choose another',
  ENOTDIR: 'a part of that path is a file, not a folder',
  EEXIST: 'a part of that path is a file, not a folder',
  ENAMETOOLONG: 'the name is too long: choose a shorter one',
};

/** @returns the result of `step` @throws UserError 'cannot-write' (exit code 1) with the reason if it fails */
export function orCannotWrite<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reason = code ? `${code}, ${messageOf(error).replace(/^\w+: ([^,]*),.*$/s, '$1')}` : messageOf(error);
    throw new UserError('cannot-write', `cannot write ${path} (${reason})`, HINTS[code], 1);
  }
}

/** Windows refuses to replace a file that another program, a virus scanner say, has open for a moment. */
const HELD = ['EPERM', 'EACCES', 'EBUSY'];

/** Renames a file over another one; on Windows repeatedly, for up to a second. */
function replaceFile(from: string, to: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      renameSync(from, to);
      return;
    } catch (error) {
      const held = process.platform === 'win32' && HELD.includes((error as NodeJS.ErrnoException).code ?? '');
      if (!held || attempt === 20) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}
