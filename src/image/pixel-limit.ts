/** How large an image may be: a small file can claim an image that fills the memory. */
import { totalmem } from 'node:os';
import { UserError } from '../core/errors.js';

/** More than any camera or scanner gives; beyond it sizes in bytes no longer fit 32 bits. */
const MAX_PIXELS = 1_000_000_000;
/** What decoding takes at most, measured: WebP and progressive JPEG 9, PNG 4. */
const BYTES_A_PIXEL = 10;
/** One image may take this part of the memory; two or three are decoded at a time. */
const MEMORY_PART = 0.25;

/**
 * Most pixels of an image that is decoded: what the machine's (or the container's) memory allows, or what the environment
 * variable YOLO_MAX_MEGAPIXELS says.
 */
export function pixelLimit(): number {
  const asked = process.env.YOLO_MAX_MEGAPIXELS;
  if (asked !== undefined && asked !== '') {
    const megapixels = Number(asked);
    if (megapixels > 0) return megapixels * 1e6;
    throw new UserError('bad-value', `YOLO_MAX_MEGAPIXELS must be a number over 0, got '${asked}'`);
  }
  const memory = Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);
  return Math.min(MAX_PIXELS, (memory * MEMORY_PART) / BYTES_A_PIXEL);
}

/** @param name what messages call the image */
export function imageTooLarge(name: string, limit: number, size?: { width: number; height: number }): UserError {
  const most = `${Math.floor(limit / 1e6) || (limit / 1e6).toPrecision(2)} megapixels`;
  const has = size
    ? `has ${size.width} x ${size.height} pixels; at most ${most} are accepted`
    : `has more than ${most}`;
  const hint = 'scale it down or cut it into parts; where the memory allows more: YOLO_MAX_MEGAPIXELS=1000';
  return new UserError('image-too-large', `${name} ${has}`, hint, 1);
}
