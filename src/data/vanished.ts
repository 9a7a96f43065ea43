/**
 * Images that existed when the dataset was scanned and can no longer be read: a disk or network share is missing, or files
 * were moved. Training and metrics without them would be wrong, so that the run must stop.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { type DecodeOptions, decodeImage } from '../image/codec.js';

/** Delays before further tries to read a file, for network shares with temporary failures. */
const RETRY_MS = [100, 900];
/** The run stops when at least this fraction of the images, and at least this number, cannot be read. */
const MAX_FRACTION = 0.01;
const MIN_COUNT = 3;

/** Whether an error means that a file could not be read, as opposed to decoded. */
export function isUnreadable(error: unknown): boolean {
  if (error instanceof UserError) return ['missing-file', 'unreadable-file', 'not-a-file'].includes(error.code);
  const { code, errno } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof errno === 'number';
}

/** Decodes an image of an open dataset, with retries when the file cannot be read. @throws UserError as decodeImage */
export async function decodeAgain(path: string, options: DecodeOptions = {}): Promise<RgbImage> {
  for (const pause of RETRY_MS) {
    try {
      return await decodeImage(path, options);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      await new Promise((next) => setTimeout(next, pause));
    }
  }
  return decodeImage(path, options);
}

/** @returns UserError 'images-gone' for an image that can no longer be read; it names the folder if that does not exist */
export function vanished(path: string, why: unknown): UserError {
  const folder = dirname(path);
  const what = existsSync(folder)
    ? `an image of the dataset cannot be read any more: ${messageOf(why)}`
    : `${folder} is not there any more; it had images of the dataset`;
  return new UserError('images-gone', what, HINT, 1);
}

const HINT = 'put it back';

/** Counts unreadable images and throws when there are too many. */
export class Vanished {
  private readonly paths: string[] = [];

  /** @param total number of images in the split */
  constructor(private readonly total: number) {}

  /** @throws UserError 'images-gone' when the folder does not exist, or all or many images are unreadable */
  add(path: string, why: string): void {
    this.paths.push(path);
    const count = this.paths.length;
    const many = count === this.total || (count >= MIN_COUNT && count >= MAX_FRACTION * this.total);
    if (!existsSync(dirname(path))) throw vanished(path, why);
    if (!many) return;
    const what = `${count} images of the dataset cannot be read any more, such as ${this.paths[0]}`;
    throw new UserError('images-gone', `${what}: ${why}`, HINT, 1);
  }
}
