/**
 * Bilinear resize of 8-bit RGB with exactly the arithmetic of OpenCV's INTER_LINEAR, on which the published weights were
 * trained: half-pixel centres, no antialiasing, weights in 11-bit fixed point, and the vertical pass in 16-bit halves.
 */
import { roundHalfEven } from '../core/round.js';
import type { RgbImage } from '../core/types.js';

/** OpenCV's INTER_RESIZE_COEF_SCALE: weights are integers that add up to this (give or take a rounding). */
const ONE = 2048;

/** Where a resized image is written: into rows of `stride` bytes, from byte `offset` on. */
export interface Target {
  data: Uint8Array;
  offset: number;
  stride: number;
}

/** @returns an image of width × height; the same object when nothing changes */
export function resize(image: RgbImage, width: number, height: number): RgbImage {
  if (image.width === width && image.height === height) return image;
  const data = new Uint8Array(width * height * 3);
  resizeInto(image, width, height, { data, offset: 0, stride: width * 3 });
  return { data, width, height };
}

/** Resizes into a part of a larger buffer (a letterboxed image, a mosaic, one image of a batch). */
export function resizeInto(image: RgbImage, width: number, height: number, target: Target): void {
  // OpenCV takes its exact 2x2 mean for a scale of one half; the general path would differ by a level here and there.
  const half = image.width === 2 * width && image.height === 2 * height;
  if (image.width === width && image.height === height) copyInto(image, target);
  else if (half) halveInto(image, width, height, target);
  else interpolateInto(image, width, height, target);
}

function interpolateInto(image: RgbImage, width: number, height: number, target: Target): void {
  const columns = horizontalWeights(image.width, width);
  const rows = weightsAlong(image.height, height);
  const n = width * 3;
  // Two horizontally resized rows of the source, kept from one output row to the next.
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
  /** Source index of the left (upper) and right (lower) neighbour of each output place. */
  first: Int32Array;
  second: Int32Array;
  /** Their weights, 0..2048. */
  weight0: Int32Array;
  weight1: Int32Array;
}

/** As weightsAlong, but indices count bytes, and at the borders one neighbour has all the weight, as in OpenCV. */
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
  const scale = 1 / (to / from); // in this order: it is how OpenCV gets it, last bit included
  for (let i = 0; i < to; i++) {
    const place = Math.fround((i + 0.5) * scale - 0.5);
    const low = Math.floor(place);
    const rest = Math.fround(place - low);
    first[i] = Math.min(Math.max(low, 0), from - 1);
    second[i] = Math.min(Math.max(low + 1, 0), from - 1);
    weight0[i] = roundHalfEven(Math.fround(Math.fround(1 - rest) * ONE));
    weight1[i] = roundHalfEven(Math.fround(rest * ONE));
  }
  return { first, second, weight0, weight1 };
}

/** One source row at the new width, times 2048, less the 4 bits that the vertical pass drops: 0..32640. */
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
