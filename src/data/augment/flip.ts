/** Flips of images and their boxes, and the exchange of red and blue. */
import { LABEL } from '../../core/boxes.js';
import type { RgbImage } from '../../core/types.js';
import { scratch } from '../../image/pixels.js';

/** Flips an image horizontally, in place. */
export function flipLeftRight({ data, width, height }: RgbImage): void {
  const n = width * 3;
  const { kernels, at, bytes } = scratch(n, n);
  const [row, out] = at;
  const flipped = bytes.subarray(out, out + n);
  for (let start = 0; start < n * height; start += n) {
    bytes.set(data.subarray(start, start + n), row);
    kernels.flipRow(row, out, width);
    data.set(flipped, start);
  }
}

/** Flips an image vertically, in place. */
export function flipUpDown({ data, width, height }: RgbImage): void {
  const n = width * 3;
  for (let top = 0, low = height - 1; top < low; top++, low--) {
    const row = data.slice(top * n, top * n + n);
    data.copyWithin(top * n, low * n, low * n + n);
    data.set(row, low * n);
  }
}

/** Flips boxes horizontally, in place. @param boxesPx [M, 5] class xyxy @param width of the image, pixels */
export function flipBoxesLeftRight(boxesPx: Float64Array, width: number): void {
  mirror(boxesPx, 1, width);
}

/** Flips boxes vertically, in place. @param boxesPx [M, 5] class xyxy @param height of the image, pixels */
export function flipBoxesUpDown(boxesPx: Float64Array, height: number): void {
  mirror(boxesPx, 2, height);
}

function mirror(boxesPx: Float64Array, low: 1 | 2, size: number): void {
  for (let i = low; i < boxesPx.length; i += LABEL) {
    const x = boxesPx[i];
    boxesPx[i] = size - boxesPx[i + 2];
    boxesPx[i + 2] = size - x;
  }
}

/** Converts RGB to BGR, in place. */
export function swapRedBlue({ data, width, height }: RgbImage): void {
  for (let i = 0; i < width * height * 3; i += 3) {
    const r = data[i];
    data[i] = data[i + 2];
    data[i + 2] = r;
  }
}
