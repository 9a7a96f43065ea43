/**
 * Hidden temporary folders for results that are moved to their final path when complete. A folder is removed when its process
 * exits; folders of killed processes (SIGKILL, power failure) are removed by the next process that works beside them.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { log } from '../core/log.js';
import { orCannotWrite, unfinishedUntil } from './files.js';

/** A hidden folder of this process. */
export interface TemporaryFolder {
  readonly path: string;
  /** Removes the folder with its contents; called automatically when the process exits. */
  remove(): void;
}

/** The name contains the owner: process id and host name, since several hosts may share a disk. */
const NAME = /^\.yolo-(\d+)-([\w.-]+)-\w{6}$/;
/** Older folders are abandoned even if their process id is in use: no task takes so long. */
const STALE_MS = 24 * 3600_000;

/** Creates a temporary folder beside `target`, on the same disk. @throws UserError 'cannot-write' */
export function temporaryFolderBeside(target: string): TemporaryFolder {
  const folder = dirname(target);
  removeAbandoned(folder);
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

/** Removes folders of processes that no longer exist. */
function removeAbandoned(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (!isAbandoned(path, name)) continue;
    try {
      rmSync(path, { recursive: true });
      log.info(`removed ${path}, which a killed process had left`);
    } catch {
      // no permission, or another process removed it
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    return []; // creating the folder reports the error
  }
}

function isAbandoned(path: string, name: string): boolean {
  const [, pid, host] = NAME.exec(name)!;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return false;
  if (Date.now() - stat.mtimeMs > STALE_MS) return true;
  if (host !== machine()) return false;
  // After a restart of a container this process may have the same id.
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
