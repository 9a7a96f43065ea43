/**
 * Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of the lightness L* as in OpenCV: 8x8 tiles, the
 * clipped excess is redistributed over all bins, pixels are interpolated between the mappings of the four nearest tiles.
 */
import type { RgbImage } from '../../core/types.js';
import { mirrored } from './blur.js';
import { labToRgb, rgbToLab } from './lab.js';

const TILES = 8;
const BINS = 256;

/** Equalises an image in place. @param limit clip limit: maximum of a histogram bin as a multiple of the mean bin */
export function clahe(image: RgbImage, limit: number): void {
  const n = image.width * image.height;
  const lab = rgbToLab(image.data, n);
  const light = new Uint8Array(n);
  for (let i = 0; i < n; i++) light[i] = lab[i * 3];
  equalize(light, image.width, image.height, limit);
  for (let i = 0; i < n; i++) lab[i * 3] = light[i];
  labToRgb(lab, n, image.data);
}

/** Equalises one channel [height, width] in place. @param limit as in `clahe` */
export function equalize(channel: Uint8Array, width: number, height: number, limit: number): void {
  const tileW = Math.ceil(width / TILES);
  const tileH = Math.ceil(height / TILES);
  const mappings: Uint8Array[] = [];
  for (let ty = 0; ty < TILES; ty++) {
    for (let tx = 0; tx < TILES; tx++) {
      const histogram = new Int32Array(BINS);
      for (let y = ty * tileH; y < (ty + 1) * tileH; y++) {
        const row = mirrored(y, height) * width;
        for (let x = tx * tileW; x < (tx + 1) * tileW; x++) histogram[channel[row + mirrored(x, width)]]++;
      }
      mappings.push(mappingOf(histogram, tileW * tileH, limit));
    }
  }
  const xs = Array.from({ length: width }, (_, x) => neighbours(x, tileW));
  for (let y = 0; y < height; y++) {
    const row = neighbours(y, tileH);
    for (let x = 0; x < width; x++) {
      const value = channel[y * width + x];
      const { first, second, weight } = xs[x];
      const at = (tile: number): number =>
        mappings[tile + first][value] * (1 - weight) + mappings[tile + second][value] * weight;
      channel[y * width + x] = Math.round(
        at(row.first * TILES) * (1 - row.weight) + at(row.second * TILES) * row.weight,
      );
    }
  }
}

/** Clips a histogram and redistributes the excess. @returns [256] its cumulative sum, scaled to 0..255 */
function mappingOf(histogram: Int32Array, pixels: number, limit: number): Uint8Array {
  const most = Math.max(Math.floor((limit * pixels) / BINS), 1);
  let excess = 0;
  for (let i = 0; i < BINS; i++) {
    excess += Math.max(histogram[i] - most, 0);
    histogram[i] = Math.min(histogram[i], most);
  }
  const each = Math.floor(excess / BINS);
  let rest = excess - each * BINS;
  for (let i = 0; i < BINS; i++) histogram[i] += each;
  const step = Math.max(Math.floor(BINS / Math.max(rest, 1)), 1);
  for (let i = 0; i < BINS && rest > 0; i += step, rest--) histogram[i]++;
  const out = new Uint8Array(BINS);
  let sum = 0;
  for (let i = 0; i < BINS; i++) {
    sum += histogram[i];
    out[i] = Math.min(255, Math.round((sum * (BINS - 1)) / pixels));
  }
  return out;
}

/** The two tiles between whose centres a pixel lies, and the weight of the second. */
function neighbours(i: number, tile: number): { first: number; second: number; weight: number } {
  const position = i / tile - 0.5;
  const first = Math.floor(position);
  const inside = (t: number): number => Math.min(Math.max(t, 0), TILES - 1);
  return { first: inside(first), second: inside(first + 1), weight: position - first };
}
