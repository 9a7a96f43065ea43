/** Fits an image into the network's input: scaled to fit with its shape kept, the rest grey (114); see core/boxes.ts. */
import { type LetterboxOptions, type LetterboxTransform, letterboxTransform } from '../core/boxes.js';
import type { RgbImage } from '../core/types.js';
import { resizeInto, type Target } from './resize.js';

/** The grey of padding, in training, validation and prediction alike. */
export const PAD_VALUE = 114;

export interface Letterboxed extends LetterboxTransform {
  image: RgbImage;
}

/** Fits an image into a new buffer. @param shape [height, width] of the network's input */
export function letterbox(
  image: RgbImage,
  shape: readonly [height: number, width: number],
  options: LetterboxOptions = {},
): Letterboxed {
  const transform = letterboxTransform(image, shape, options);
  const { width, height } = transform;
  const data = new Uint8Array(width * height * 3);
  letterboxInto(image, transform, data, 0);
  return { ...transform, image: { data, width, height } };
}

/** Fits an image into one slot of a batch [B, H, W, 3] that starts at byte `start`. */
export function letterboxInto(image: RgbImage, at: LetterboxTransform, batch: Uint8Array, start: number): void {
  const { width, height, innerWidth, innerHeight, padX, padY } = at;
  if (innerWidth !== width || innerHeight !== height) batch.fill(PAD_VALUE, start, start + width * height * 3);
  const target: Target = { data: batch, offset: start + (padY * width + padX) * 3, stride: width * 3 };
  resizeInto(image, innerWidth, innerHeight, target);
}
