/**
 * Bilinear warp of a canvas by a 3x3 matrix as OpenCV's warpAffine and warpPerspective (pixel centres at integer
 * coordinates, grey outside), in integer arithmetic with 11-bit weights: it differs from exact arithmetic by at most one
 * level. Without rotation, shear and perspective (the default) the transform is separable: each canvas row is resampled
 * once.
 */
import type { RgbImage } from '../../core/types.js';
import { PAD_VALUE } from '../../image/letterbox.js';
import { scratch } from '../../image/pixels.js';
import { invert, type Matrix } from './affine.js';
import { type Canvas, copyTileRow, paint } from './canvas.js';

const BITS = 11;
const ONE = 1 << BITS;
/** Rounding term for the product of two weights. */
const HALF = 1 << (2 * BITS - 1);
/** Grey pixels on each side of the canvas: a pixel and its right neighbour can both be outside. */
const MARGIN = 2;

/**
 * @param matrix maps canvas pixels to result pixels
 * @param out receives the result; every pixel is written
 */
export function warp(canvas: Canvas, matrix: Matrix, out: RgbImage): void {
  const back = invert(matrix);
  if (back[1] === 0 && back[3] === 0 && back[6] === 0 && back[7] === 0) warpSeparable(canvas, back, out);
  else warpGeneral(canvas, back, out);
}

/** Source positions and weights along one axis: source = scale·i + shift, clamped to the grey margin. */
function axisTable(n: number, scale: number, shift: number, size: number): { at: Int32Array; weight: Int32Array } {
  const at = new Int32Array(n);
  const weight = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const position = Math.min(Math.max(scale * i + shift, -MARGIN), size);
    at[i] = Math.floor(position);
    weight[i] = Math.round((position - at[i]) * ONE);
  }
  return { at, weight };
}

function warpSeparable(canvas: Canvas, back: Matrix, out: RgbImage): void {
  const columns = axisTable(out.width, back[0] / back[8], back[2] / back[8], canvas.width);
  const rows = axisTable(out.height, back[4] / back[8], back[5] / back[8], canvas.height);
  const n = out.width * 3;
  const wide = (canvas.width + 2 * MARGIN) * 3;
  const { kernels, at, bytes, words } = scratch(wide, 4 * out.width, 4 * out.width, 4 * n, 4 * n, n);
  const [source, offsets, weights, , , result] = at;
  for (let x = 0; x < out.width; x++) {
    words[offsets / 4 + x] = (columns.at[x] + MARGIN) * 3;
    words[weights / 4 + x] = (ONE - columns.weight[x]) | (columns.weight[x] << 16);
  }
  const read = rowReader(canvas, bytes.subarray(source, source + wide));
  const resample = (row: number, to: number): void => {
    read(row);
    kernels.resampleRow(source, offsets, weights, to, out.width);
  };
  const blended = bytes.subarray(result, result + n);
  // The two latest canvas rows, resampled to the result's width.
  let [upper, lower] = [at[3], at[4]];
  let [upperRow, lowerRow] = [Number.NaN, Number.NaN];
  for (let y = 0; y < out.height; y++) {
    const row = rows.at[y];
    if (upperRow !== row) {
      [upper, lower, upperRow, lowerRow] = [lower, upper, lowerRow, upperRow];
      if (upperRow !== row) resample(row, upper);
      upperRow = row;
    }
    if (lowerRow !== row + 1) {
      resample(row + 1, lower);
      lowerRow = row + 1;
    }
    kernels.blendRows(upper, lower, rows.weight[y], result, n);
    out.data.set(blended, y * n);
  }
}

/** @returns a function that reads a canvas row with its grey margins into `buffer` */
function rowReader({ tiles }: Canvas, buffer: Uint8Array): (y: number) => void {
  buffer.fill(PAD_VALUE);
  let before = 0;
  return (y) => {
    let covering = 0;
    for (let i = 0; i < tiles.length; i++) if (y >= tiles[i].y1 && y < tiles[i].y2) covering |= 1 << i;
    if (covering !== before) buffer.fill(PAD_VALUE);
    before = covering;
    for (let i = 0; i < tiles.length; i++) {
      if (covering & (1 << i)) copyTileRow(tiles[i], y, buffer, MARGIN * 3);
    }
  };
}

function warpGeneral(canvas: Canvas, back: Matrix, out: RgbImage): void {
  const source = paint(canvas, MARGIN);
  for (let y = 0; y < out.height; y++) warpRow(source, back, y, out);
}

/** Computes row y of the result from the rendered canvas with its margin. */
function warpRow(source: RgbImage, back: Matrix, y: number, out: RgbImage): void {
  const { data } = source;
  const stride = source.width * 3;
  const right = source.width - 2 * MARGIN;
  const bottom = source.height - 2 * MARGIN;
  let j = y * out.width * 3;
  for (let x = 0; x < out.width; x++, j += 3) {
    const w = back[6] * x + back[7] * y + back[8];
    const px = Math.min(Math.max((back[0] * x + back[1] * y + back[2]) / w, -MARGIN), right) + MARGIN;
    const py = Math.min(Math.max((back[3] * x + back[4] * y + back[5]) / w, -MARGIN), bottom) + MARGIN;
    const sx = Math.floor(px);
    const sy = Math.floor(py);
    const wx = Math.round((px - sx) * ONE);
    const wy = Math.round((py - sy) * ONE);
    const i = sy * stride + sx * 3;
    const k = i + stride;
    out.data[j] = blend(data[i], data[i + 3], data[k], data[k + 3], wx, wy);
    out.data[j + 1] = blend(data[i + 1], data[i + 4], data[k + 1], data[k + 4], wx, wy);
    out.data[j + 2] = blend(data[i + 2], data[i + 5], data[k + 2], data[k + 5], wx, wy);
  }
}

/** Bilinear interpolation of a b (upper row) and c d (lower row); weights 0..ONE of the right column and lower row. */
function blend(a: number, b: number, c: number, d: number, wx: number, wy: number): number {
  const top = (a << BITS) + Math.imul(b - a, wx);
  const low = (c << BITS) + Math.imul(d - c, wx);
  return (Math.imul(top, ONE - wy) + Math.imul(low, wy) + HALF) >> (2 * BITS);
}
