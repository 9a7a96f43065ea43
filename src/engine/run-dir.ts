/** Folders of runs: runs/detect/train, train-2, train-3 … or where `project` and `name` say. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';

export interface RunDirOptions {
  /** Folder of the run folders; none: runs/detect. */
  project?: string | null;
  /** Name of the run folder; none: the mode's. */
  name?: string | null;
  /** Writes into a folder that is there already. */
  exist_ok?: boolean;
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
      mkdirSync(first, { recursive: true });
      return first;
    }
    mkdirSync(dirname(first), { recursive: true });
    for (let n = 1; ; n++) {
      const dir = n === 1 ? first : `${first}-${n}`;
      if (made(dir)) return dir;
    }
  } catch (error) {
    const hint = 'choose another folder: project=FOLDER';
    throw new UserError('cannot-write', `the run folder ${first} can't be made: ${messageOf(error)}`, hint, 1);
  }
}

/** @returns false when something of that name is there */
function made(dir: string): boolean {
  if (existsSync(dir)) return false;
  try {
    mkdirSync(dir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
