/**
 * Fits an image into the network's input: scaled to fit with its shape kept, the rest grey (114). Boxes go back with
 * `unletterbox`. Formulas as in Ultralytics 8.4 (LetterBox; the rounding of the two paddings is YOLOv5's and v8's).
 */
import { roundHalfEven } from '../core/round.js';
import type { RgbImage } from '../core/types.js';
import { resizeInto, type Target } from './resize.js';

/** The grey of padding, in training, validation and prediction alike. */
export const PAD_VALUE = 114;

export interface LetterboxOptions {
  /** Pads only to the next multiple of `stride` instead of to the whole shape (`rect`). */
  auto?: boolean;
  /** Default 32. */
  stride?: number;
  /** Enlarges small images. Default: true. */
  scaleUp?: boolean;
  /** Padding on both sides; else right and below only. Default: true. */
  center?: boolean;
}

/** How an image lies in the network's input; all in pixels of that input except `ratio`. */
export interface LetterboxTransform {
  /** Size of the input, padding included. */
  width: number;
  height: number;
  /** Size of the scaled image in it. */
  innerWidth: number;
  innerHeight: number;
  /** Input pixels per image pixel. */
  ratio: number;
  /** Padding on the left and above. */
  padX: number;
  padY: number;
}

export interface Letterboxed extends LetterboxTransform {
  image: RgbImage;
}

/** Works out where an image of this size goes. @param shape [height, width] of the network's input */
export function letterboxTransform(
  image: { width: number; height: number },
  shape: readonly [height: number, width: number],
  { auto = false, stride = 32, scaleUp = true, center = true }: LetterboxOptions = {},
): LetterboxTransform {
  let ratio = Math.min(shape[0] / image.height, shape[1] / image.width);
  if (!scaleUp) ratio = Math.min(ratio, 1);
  // A sliver of an image keeps at least one row or column.
  const innerWidth = Math.max(roundHalfEven(image.width * ratio), 1);
  const innerHeight = Math.max(roundHalfEven(image.height * ratio), 1);
  let spareX = shape[1] - innerWidth;
  let spareY = shape[0] - innerHeight;
  if (auto) {
    spareX %= stride;
    spareY %= stride;
  }
  return {
    width: innerWidth + spareX,
    height: innerHeight + spareY,
    innerWidth,
    innerHeight,
    ratio,
    padX: center ? roundHalfEven(spareX / 2 - 0.1) : 0,
    padY: center ? roundHalfEven(spareY / 2 - 0.1) : 0,
  };
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

/**
 * Brings boxes back to the image, clipped to it, in place.
 * @param rows [N, columns] whose first four columns are x1 y1 x2 y2 in pixels of the network's input
 */
export function unletterbox(
  rows: Float32Array,
  columns: number,
  at: Pick<LetterboxTransform, 'ratio' | 'padX' | 'padY'>,
  image: { width: number; height: number },
): Float32Array {
  const limit = [image.width, image.height];
  const pad = [at.padX, at.padY];
  for (let i = 0; i + 4 <= rows.length; i += columns) {
    for (let k = 0; k < 4; k++) {
      rows[i + k] = Math.min(Math.max((rows[i + k] - pad[k & 1]) / at.ratio, 0), limit[k & 1]);
    }
  }
  return rows;
}
