/** `yolo cfg` prints every key with its default; `yolo copy-cfg` writes them to a file to change. */
import { constants, copyFileSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cfgFolder } from '../../cfg/load.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';

const COPY = 'default_copy.yaml';
const defaults = (): string => join(cfgFolder(), 'default.yaml');

export function printDefaults(): number {
  process.stdout.write(readFileSync(defaults(), 'utf8'));
  return 0;
}

/** @throws UserError when the file is there already or the folder can't be written to */
export function copyDefaults(): number {
  try {
    copyFileSync(defaults(), COPY, constants.COPYFILE_EXCL);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      throw new UserError(
        'file-exists',
        `${COPY} already exists and is not overwritten`,
        'Rename or remove it first.',
        1,
      );
    }
    throw new UserError('not-writable', `${resolve(COPY)} cannot be written (${code})`, undefined, 1);
  }
  log.info(`${resolve(COPY)} written. Edit it, then: yolo MODE cfg=${COPY} key=value …`);
  return 0;
}
