/**
 * Folders of runs: runs/detect/train, train-2, train-3 … or where `project` and `name` say. A folder that a run writes to
 * for long is locked meanwhile; one that was made and got no results is removed again.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import { tryLockFile } from '../core/lock-file.js';
import { orCannotWrite } from '../io/files.js';

/** Where a run writes. */
export interface RunDirOptions {
  /** Folder of the run folders; none: runs/detect. */
  project?: string | null;
  /** Name of the run folder; none: the mode's. */
  name?: string | null;
  /** Writes into a folder that is there already. */
  exist_ok?: boolean;
}

/** A run folder that nobody else writes to until it is released. */
export interface RunDir {
  readonly path: string;
  /** Unlocks it, and removes it when this process made it and it holds no results. */
  release(): void;
}

const LOCK = '.lock';
/** What a run writes before it has results. */
const NO_RESULTS: readonly string[] = [LOCK, 'args.yaml'];
/** Longer than any training step. */
const SILENT_MS = 600_000;

/** Folders that this process made. */
const made = new Set<string>();

process.on('exit', (code) => {
  if (code !== 0) for (const dir of made) removeWithoutResults(dir);
});

/** Removes a folder that this process made if it holds no results. @returns whether it did */
export function removeWithoutResults(dir: string): boolean {
  if (!made.has(dir)) return false;
  try {
    const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
    if (!entries.every((entry) => entry.isDirectory() || NO_RESULTS.includes(entry.name))) return false;
    rmSync(dir, { recursive: true, force: true });
    return true;
  } catch {
    return false; // gone already, or no longer ours to remove
  }
}

/**
 * Makes the folder of a run. The first number whose folder can be made is taken, so that two runs that start at the same
 * time get two folders.
 * @throws UserError 'cannot-write'
 */
export function createRunDir({ project, name, exist_ok = false }: RunDirOptions, mode: string): string {
  const first = join(project || join('runs', 'detect'), name || mode);
  try {
    if (exist_ok) {
      if (mkdirSync(first, { recursive: true }) !== undefined) made.add(first);
      return first;
    }
    mkdirSync(dirname(first), { recursive: true });
    for (let n = 1; ; n++) {
      const dir = n === 1 ? first : `${first}-${n}`;
      if (makeFolder(dir)) return dir;
    }
  } catch (error) {
    const hint = 'choose another folder: project=FOLDER';
    throw new UserError('cannot-write', `the run folder ${first} can't be made: ${messageOf(error)}`, hint, 1);
  }
}

/** Makes the folder of a run and locks it, as `lockRunDir`. @throws UserError 'cannot-write', 'run-in-use' */
export function openRunDir(options: RunDirOptions, mode: string, silentMs?: number): RunDir {
  return lockRunDir(createRunDir(options, mode), silentMs);
}

/**
 * Locks a run folder that is there.
 * @param silentMs a lock of another machine that was silent for this long belongs to a run that has ended
 * @throws UserError 'run-in-use' when another run writes to it; 'cannot-write'
 */
export function lockRunDir(path: string, silentMs = SILENT_MS): RunDir {
  const lock = join(path, LOCK);
  const { release, owner } = orCannotWrite(path, () => tryLockFile(lock, { silentMs }));
  if (release === undefined) {
    const who = owner.pid === undefined ? 'another run' : `another run (process ${owner.pid} on ${owner.host})`;
    throw new UserError(
      'run-in-use',
      `${path} is being written by ${who}`,
      `wait for its end or choose another folder: name=NAME. Should there be no such run any more, remove ${lock}`,
      1,
    );
  }
  return {
    path,
    release() {
      release();
      removeWithoutResults(path);
    },
  };
}

/** @returns false when something of that name is there */
function makeFolder(dir: string): boolean {
  if (existsSync(dir)) return false;
  try {
    mkdirSync(dir);
    made.add(dir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
