/**
 * Bilinear resizing of 8-bit RGB with exactly the arithmetic of OpenCV's INTER_LINEAR, with which the published weights were
 * trained: half-pixel centres, no antialiasing, 11-bit fixed-point weights, intermediate rows of 16 bits.
 */
import { roundHalfEven } from '../core/round.js';
import type { RgbImage } from '../core/types.js';

/** OpenCV's INTER_RESIZE_COEF_SCALE, the weight 1.0 in fixed point; two weights add up to it, except for rounding. */
const ONE = 2048;

/** Destination of a resized image: the first byte is at `offset`, rows are `stride` bytes apart. */
export interface Target {
  data: Uint8Array;
  offset: number;
  stride: number;
}

/** Resizes an image. @returns the same object if it already has this size */
export function resize(image: RgbImage, width: number, height: number): RgbImage {
  if (image.width === width && image.height === height) return image;
  const data = new Uint8Array(width * height * 3);
  resizeInto(image, width, height, { data, offset: 0, stride: width * 3 });
  return { data, width, height };
}

/** Resizes an image into a part of a buffer (a letterboxed image, a mosaic, an image of a batch). */
export function resizeInto(image: RgbImage, width: number, height: number, target: Target): void {
  // For a scale of 1/2 OpenCV uses the exact mean of 2x2 pixels; the general algorithm would differ by 1 in some pixels.
  const half = image.width === 2 * width && image.height === 2 * height;
  if (image.width === width && image.height === height) copyInto(image, target);
  else if (half) halveInto(image, width, height, target);
  else interpolateInto(image, width, height, target);
}

function interpolateInto(image: RgbImage, width: number, height: number, target: Target): void {
  const columns = horizontalWeights(image.width, width);
  const rows = weightsAlong(image.height, height);
  const n = width * 3;
  // Two horizontally resized rows of the source, reused for the following output rows.
  let upper = new Int16Array(n);
  let lower = new Int16Array(n);
  let [upperRow, lowerRow] = [-1, -1];
  for (let y = 0; y < height; y++) {
    const y0 = rows.first[y];
    const y1 = rows.second[y];
    if (y0 === lowerRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (y0 !== upperRow) {
      stretchRow(image, y0, columns, upper);
      upperRow = y0;
    }
    if (y1 !== lowerRow) {
      if (y1 === upperRow) lower.set(upper);
      else stretchRow(image, y1, columns, lower);
      lowerRow = y1;
    }
    const at = target.offset + y * target.stride;
    blendRows(upper, lower, rows.weight0[y], rows.weight1[y], target.data.subarray(at, at + n));
  }
}

interface Weights {
  /** Source indices of the left (upper) and right (lower) neighbour of each output position. */
  first: Int32Array;
  second: Int32Array;
  /** Their weights, 0..2048. */
  weight0: Int32Array;
  weight1: Int32Array;
}

/** As weightsAlong, but with byte indices, and at the borders with all weight on one neighbour, as in OpenCV. */
function horizontalWeights(from: number, to: number): Weights {
  const weights = weightsAlong(from, to);
  const { first, second, weight0, weight1 } = weights;
  for (let i = 0; i < to; i++) {
    if (first[i] === second[i]) {
      weight0[i] = ONE;
      weight1[i] = 0;
    }
    first[i] *= 3;
    second[i] *= 3;
  }
  return weights;
}

function weightsAlong(from: number, to: number): Weights {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const weight0 = new Int32Array(to);
  const weight1 = new Int32Array(to);
  const scale = 1 / (to / from); // not from / to: OpenCV's rounding
  for (let i = 0; i < to; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    const low = Math.floor(position);
    const rest = Math.fround(position - low);
    first[i] = Math.min(Math.max(low, 0), from - 1);
    second[i] = Math.min(Math.max(low + 1, 0), from - 1);
    weight0[i] = roundHalfEven(Math.fround(Math.fround(1 - rest) * ONE));
    weight1[i] = roundHalfEven(Math.fround(rest * ONE));
  }
  return { first, second, weight0, weight1 };
}

/** Resizes a source row horizontally: values times 2048, shifted right by 4 as in OpenCV to fit 16 bits (0..32640). */
function stretchRow(image: RgbImage, row: number, columns: Weights, out: Int16Array): void {
  const { first, second, weight0, weight1 } = columns;
  const data = image.data.subarray(row * image.width * 3, (row + 1) * image.width * 3);
  for (let x = 0, j = 0; x < first.length; x++, j += 3) {
    const p = first[x];
    const q = second[x];
    const a = weight0[x];
    const b = weight1[x];
    out[j] = (data[p] * a + data[q] * b) >> 4;
    out[j + 1] = (data[p + 1] * a + data[q + 1] * b) >> 4;
    out[j + 2] = (data[p + 2] * a + data[q + 2] * b) >> 4;
  }
}

function blendRows(upper: Int16Array, lower: Int16Array, a: number, b: number, out: Uint8Array): void {
  for (let j = 0; j < out.length; j++) {
    out[j] = (((a * upper[j]) >> 16) + ((b * lower[j]) >> 16) + 2) >> 2;
  }
}

function copyInto(image: RgbImage, { data, offset, stride }: Target): void {
  const n = image.width * 3;
  for (let y = 0; y < image.height; y++) data.set(image.data.subarray(y * n, (y + 1) * n), offset + y * stride);
}

function halveInto(image: RgbImage, width: number, height: number, target: Target): void {
  const { data } = image;
  const row = image.width * 3;
  for (let y = 0; y < height; y++) {
    let out = target.offset + y * target.stride;
    let p = 2 * y * row;
    for (let x = 0; x < width; x++, p += 6) {
      for (let c = p; c < p + 3; c++) {
        target.data[out++] = (data[c] + data[c + 3] + data[c + row] + data[c + row + 3] + 2) >> 2;
      }
    }
  }
}
