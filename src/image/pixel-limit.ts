/** Limit of the size of images: a small file can contain an image larger than the memory. */
import { totalmem } from 'node:os';
import { UserError } from '../core/errors.js';

/** Upper limit. Larger than images of cameras and scanners; sizes in bytes (3 per pixel) fit 32 bits. */
const MAX_PIXELS = 1_000_000_000;
/** Bytes per pixel that decoding needs at most. Measured: 9 for WebP and progressive JPEG, 4 for PNG. */
const BYTES_PER_PIXEL = 10;
/** Fraction of the memory for one image; two or three are decoded at a time. */
const MEMORY_PART = 0.25;

/**
 * @returns maximum number of pixels of an image: the value of the environment variable YOLO_MAX_MEGAPIXELS, or by the memory
 *   of the machine or container
 * @throws UserError 'bad-value' if the variable is not a positive number
 */
export function pixelLimit(): number {
  const configured = process.env.YOLO_MAX_MEGAPIXELS;
  if (configured !== undefined && configured !== '') {
    const megapixels = Number(configured);
    if (megapixels > 0) return megapixels * 1e6;
    throw new UserError('bad-value', `YOLO_MAX_MEGAPIXELS must be a number over 0, got '${configured}'`);
  }
  const memory = Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);
  return Math.min(MAX_PIXELS, (memory * MEMORY_PART) / BYTES_PER_PIXEL);
}

/** @param name of the image, for the message @param size if known @returns the error 'image-too-large' */
export function imageTooLarge(name: string, limit: number, size?: { width: number; height: number }): UserError {
  const max = `${Math.floor(limit / 1e6) || (limit / 1e6).toPrecision(2)} megapixels`;
  const has = size ? `has ${size.width} x ${size.height} pixels; at most ${max} are accepted` : `has more than ${max}`;
  const hint = 'scale it down or cut it into parts; where the memory allows more: YOLO_MAX_MEGAPIXELS=1000';
  return new UserError('image-too-large', `${name} ${has}`, hint, 1);
}
