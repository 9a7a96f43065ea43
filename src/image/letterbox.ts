/**
 * Fits a picture into the network's input: scaled to fit with its shape kept, the rest grey (114). Boxes go back with
 * `unletterbox`. Formulas: reference numbers, "Letterbox" (the rounding of the two paddings is YOLOv5's and v8's).
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
  /** Enlarges small pictures. Default: true. */
  scaleUp?: boolean;
  /** Padding on both sides; else right and below only. Default: true. */
  center?: boolean;
}

/** How a picture lies in the network's input; all in pixels of that input except `ratio`. */
export interface Placement {
  /** Size of the input, padding included. */
  width: number;
  height: number;
  /** Size of the scaled picture in it. */
  innerWidth: number;
  innerHeight: number;
  /** Input pixels per picture pixel. */
  ratio: number;
  /** Padding on the left and above. */
  padX: number;
  padY: number;
}

export interface Letterboxed extends Placement {
  image: RgbImage;
}

/** Works out where a picture of this size goes. @param shape [height, width] of the network's input */
export function placeLetterbox(
  picture: { width: number; height: number },
  shape: readonly [height: number, width: number],
  { auto = false, stride = 32, scaleUp = true, center = true }: LetterboxOptions = {},
): Placement {
  let ratio = Math.min(shape[0] / picture.height, shape[1] / picture.width);
  if (!scaleUp) ratio = Math.min(ratio, 1);
  // A sliver of a picture keeps at least one row or column.
  const innerWidth = Math.max(roundHalfEven(picture.width * ratio), 1);
  const innerHeight = Math.max(roundHalfEven(picture.height * ratio), 1);
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

/** Fits a picture into a new buffer. @param shape [height, width] of the network's input */
export function letterbox(
  picture: RgbImage,
  shape: readonly [height: number, width: number],
  options: LetterboxOptions = {},
): Letterboxed {
  const placement = placeLetterbox(picture, shape, options);
  const { width, height } = placement;
  const data = new Uint8Array(width * height * 3);
  letterboxInto(picture, placement, data, 0);
  return { ...placement, image: { data, width, height } };
}

/** Fits a picture into one slot of a batch [B, H, W, 3] that starts at byte `start`. */
export function letterboxInto(picture: RgbImage, at: Placement, batch: Uint8Array, start: number): void {
  const { width, height, innerWidth, innerHeight, padX, padY } = at;
  if (innerWidth !== width || innerHeight !== height) batch.fill(PAD_VALUE, start, start + width * height * 3);
  const target: Target = { data: batch, offset: start + (padY * width + padX) * 3, stride: width * 3 };
  resizeInto(picture, innerWidth, innerHeight, target);
}

/**
 * Brings boxes back to the picture, clipped to it, in place.
 * @param rows [N, columns] whose first four columns are x1 y1 x2 y2 in pixels of the network's input
 */
export function unletterbox(
  rows: Float32Array,
  columns: number,
  at: Pick<Placement, 'ratio' | 'padX' | 'padY'>,
  picture: { width: number; height: number },
): Float32Array {
  const limit = [picture.width, picture.height];
  const pad = [at.padX, at.padY];
  for (let i = 0; i + 4 <= rows.length; i += columns) {
    for (let k = 0; k < 4; k++) {
      rows[i + k] = Math.min(Math.max((rows[i + k] - pad[k & 1]) / at.ratio, 0), limit[k & 1]);
    }
  }
  return rows;
}
