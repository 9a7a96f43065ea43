/**
 * Random gains of hue, saturation and value in OpenCV's 8-bit HSV (hue 0..179, two degrees a step), in one pass over the
 * pixels. RGB → HSV uses OpenCV's division tables; the gains and HSV → RGB use tables computed for the sampled gains.
 * HSV → RGB: channel = V·(1 − S/255·k), where k depends on hue and channel only and is 0 where the channel is largest.
 */
import type { RgbImage } from '../../core/types.js';

const SHIFT = 12;
const ROUND = 1 << (SHIFT - 1);
const HUES = 180;
/** Hue steps in a sixth of the colour circle. */
const SECTOR = 30;
/** Fraction bits of HSV → RGB: V·S·k/255 with 23 of them still fits 31 bits. */
const FRACTION_BITS = 23;
/** OpenCV 5 truncates in HSV → RGB: the subtrahend is rounded up, except for the rounding error of the tables. */
const ROUND_UP = (1 << FRACTION_BITS) - (1 << 16);

const satDivide = Int32Array.from({ length: 256 }, (_, i) => (i ? Math.round((255 << SHIFT) / i) : 0));
const hueDivide = Int32Array.from({ length: 256 }, (_, i) => (i ? Math.round((HUES << SHIFT) / (6 * i)) : 0));

/** Gains in −1..1: hue is shifted by r·180 steps, saturation and value are multiplied by 1 + r. */
export type HsvGains = [hue: number, saturation: number, value: number];

/** Applies gains to an image, in place. */
export function hsv(image: RgbImage, gains: HsvGains): void {
  const { data } = image;
  const n = image.width * image.height * 3;
  const { red, green, blue, saturation, value } = tables(gains);
  for (let i = 0; i < n; i += 3) {
    const r = data[i];
    const g = data[i + 1];
    const b = data[i + 2];
    // Sign masks instead of branches, which would often be mispredicted: the largest channel varies between pixels.
    const rg = r - g;
    const top = r - (rg & (rg >> 31));
    const bottom = g + (rg & (rg >> 31));
    const high = top + ((b - top) & ((top - b) >> 31));
    const diff = high - bottom + ((bottom - b) & ((b - bottom) >> 31));
    const notRed = (r - high) >> 31;
    const notGreen = (g - high) >> 31;
    // hue · diff / 60°
    const scaledHue =
      (~notRed & (g - b)) | (notRed & ((~notGreen & (b - r + 2 * diff)) | (notGreen & (4 * diff + rg))));
    const h = ((Math.imul(scaledHue, hueDivide[diff]) + ROUND) >> SHIFT) + SECTOR;
    const v = value[high];
    const vs = Math.imul(v, saturation[(Math.imul(diff, satDivide[high]) + ROUND) >> SHIFT]);
    data[i] = v - ((Math.imul(vs, red[h]) + ROUND_UP) >> FRACTION_BITS);
    data[i + 1] = v - ((Math.imul(vs, green[h]) + ROUND_UP) >> FRACTION_BITS);
    data[i + 2] = v - ((Math.imul(vs, blue[h]) + ROUND_UP) >> FRACTION_BITS);
  }
}

/** Lookup tables of the gains; red, green and blue are indexed by the hue before its shift (−30 to 150) plus 30. */
function tables([hue, sat, val]: HsvGains) {
  const times = (gain: number) =>
    Uint8Array.from({ length: 256 }, (_, x) => Math.min(255, Math.max(0, x * (1 + gain))));
  const saturation = times(sat);
  // A grey pixel (saturation 0) stays grey.
  saturation[0] = 0;
  const modulo = (h: number): number => ((h % HUES) + HUES) % HUES;
  const shifted = Array.from({ length: HUES + 1 }, (_, i) => Math.floor(modulo(modulo(i - SECTOR) + hue * HUES)));
  const channel = (offset: number) =>
    Int32Array.from(shifted, (h) => Math.round((distance((h + offset) % HUES) / SECTOR / 255) * 2 ** FRACTION_BITS));
  return { red: channel(0), green: channel(4 * SECTOR), blue: channel(2 * SECTOR), saturation, value: times(val) };
}

/** @returns k·SECTOR of the red channel, 0..SECTOR, at a hue of 0..179 */
function distance(hue: number): number {
  const fromRed = Math.min(hue, HUES - hue);
  return Math.min(Math.max(fromRed - SECTOR, 0), SECTOR);
}
