/**
 * Images that were there when the dataset was scanned and cannot be read now: their disk or share is away, or somebody
 * moved them. Not their content is at fault, and figures without them would be wrong: the run has to stop.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { type DecodeOptions, decodeImage } from '../image/codec.js';

/** A share that stumbles is asked again after so many milliseconds. */
const RETRY_MS = [100, 900];
/** From this part of the images on, and no fewer than so many, some missing ones are no accident. */
const MANY_PART = 0.01;
const MANY = 3;

/** Whether a file could not be read, whatever is in it. */
export function isUnreadable(error: unknown): boolean {
  if (error instanceof UserError) return ['missing-file', 'unreadable-file', 'not-a-file'].includes(error.code);
  const { code, errno } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof errno === 'number';
}

/** Decodes an image of an open dataset; one that cannot be read is tried again. @throws as decodeImage */
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

/** The error for an image that cannot be read any more; names its folder when that is gone. */
export function vanished(path: string, why: unknown): UserError {
  const folder = dirname(path);
  const what = existsSync(folder)
    ? `an image of the dataset cannot be read any more: ${messageOf(why)}`
    : `${folder} is not there any more; it had images of the dataset`;
  return new UserError('images-gone', what, HINT, 1);
}

const HINT = 'put it back';

/** Keeps count of unreadable images, and tells when they are too many to go on without. */
export class Vanished {
  private readonly paths: string[] = [];

  /** @param total images of the split */
  constructor(private readonly total: number) {}

  /** @throws UserError 'images-gone' when the folder, all images or many of them are gone */
  add(path: string, why: string): void {
    this.paths.push(path);
    const count = this.paths.length;
    const many = count === this.total || (count >= MANY && count >= MANY_PART * this.total);
    if (!existsSync(dirname(path))) throw vanished(path, why);
    if (!many) return;
    const what = `${count} images of the dataset cannot be read any more, such as ${this.paths[0]}`;
    throw new UserError('images-gone', `${what}: ${why}`, HINT, 1);
  }
}
