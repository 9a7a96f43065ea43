/** Letterboxing of images: scaling with the aspect ratio preserved, then padding with grey; transform in core/boxes.ts. */
import { type LetterboxOptions, type LetterboxTransform, letterboxTransform } from '../core/boxes.js';
import type { RgbImage } from '../core/types.js';
import { resizeInto, type Target } from './resize.js';

/** Grey value of padding in training, validation and prediction (Ultralytics 8.4, LetterBox). */
export const PAD_VALUE = 114;

/** A letterboxed image with its transform. */
export interface Letterboxed extends LetterboxTransform {
  image: RgbImage;
}

/** Letterboxes an image. @param shape of the network's input, pixels */
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

/**
 * Letterboxes an image into a batch.
 * @param transform of the image
 * @param batch [B, H, W, 3]
 * @param start index of the image's first byte in the batch
 */
export function letterboxInto(image: RgbImage, transform: LetterboxTransform, batch: Uint8Array, start: number): void {
  const { width, height, innerWidth, innerHeight, padX, padY } = transform;
  if (innerWidth !== width || innerHeight !== height) batch.fill(PAD_VALUE, start, start + width * height * 3);
  const target: Target = { data: batch, offset: start + (padY * width + padX) * 3, stride: width * 3 };
  resizeInto(image, innerWidth, innerHeight, target);
}
