/**
 * Hidden folders in which something is made before it takes its place. Each goes with its process; what a killed process
 * (SIGKILL, a power cut) left is removed by the next one that works beside it.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { log } from '../core/log.js';
import { orCannotWrite, unfinishedUntil } from './files.js';

/** A hidden folder of this process. */
export interface TemporaryFolder {
  readonly path: string;
  /** Removes it with all that is in it; when the process ends without, that does. */
  remove(): void;
}

/** The owner stands in the name: process and machine, since several may share a disk. */
const NAME = /^\.yolo-(\d+)-([\w.-]+)-\w{6}$/;
/** No work in such a folder takes so long: its process is gone, whatever has its number now. */
const STALE_MS = 24 * 3600_000;

/** Makes one beside what is to be made in it, on the same disk. @throws UserError 'cannot-write' */
export function temporaryFolderBeside(target: string): TemporaryFolder {
  const folder = dirname(target);
  sweep(folder);
  const path = orCannotWrite(target, () => mkdtempSync(join(folder, `.yolo-${process.pid}-${machine()}-`)));
  const { finished } = unfinishedUntil(path);
  return {
    path,
    remove() {
      if (finished()) rmSync(path, { recursive: true, force: true });
    },
  };
}

function machine(): string {
  return hostname().replace(/[^\w.]/g, '_') || 'unnamed';
}

/** Removes folders whose process is no more; what can't be judged or removed stays. */
function sweep(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (!isLeftBehind(path, name)) continue;
    try {
      rmSync(path, { recursive: true });
      log.info(`removed ${path}, which a killed process had left`);
    } catch {
      // not ours to remove, or another was faster
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    return []; // making the folder will say what is wrong
  }
}

function isLeftBehind(path: string, name: string): boolean {
  const [, pid, host] = NAME.exec(name)!;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return false;
  if (Date.now() - stat.mtimeMs > STALE_MS) return true;
  if (host !== machine()) return false;
  // A container that starts anew gives out the same numbers.
  if (Number(pid) === process.pid) return stat.mtimeMs < Date.now() - process.uptime() * 1000;
  return !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
