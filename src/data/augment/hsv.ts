/**
 * Random gains of hue, saturation and value in OpenCV's 8-bit HSV (hue 0..179, two degrees a step), in one pass over the
 * pixels. RGB → HSV divides as OpenCV does, in fixed point with rounded reciprocals. HSV → RGB: channel = V·(1 − S/255·k),
 * where k depends on hue and channel only and is 0 where the channel is largest.
 */
import type { RgbImage } from '../../core/types.js';
import { scratch } from '../../image/pixels.js';

const HUES = 180;
/** Pixels that are copied to the kernel's memory at once; they stay in the processor's cache. */
const CHUNK = 8192;

/** Gains in −1..1: hue is shifted by r·180 steps, saturation and value are multiplied by 1 + r. */
export type HsvGains = [hue: number, saturation: number, value: number];

/** Applies gains to an image, in place. */
export function hsv({ data, width, height }: RgbImage, [hue, saturation, value]: HsvGains): void {
  const shift = (Math.floor(hue * HUES) + HUES) % HUES;
  const { kernels, at, bytes } = scratch(CHUNK * 3);
  const n = width * height * 3;
  for (let start = 0; start < n; start += CHUNK * 3) {
    const pixels = data.subarray(start, Math.min(start + CHUNK * 3, n));
    bytes.set(pixels, at[0]);
    kernels.hsv(at[0], pixels.length / 3, shift, 1 + saturation, 1 + value);
    pixels.set(bytes.subarray(at[0], at[0] + pixels.length));
  }
}
