/** Box blur as OpenCV's blur(): the mean of k x k pixels, mirrored at the border without repeating the border pixel. */
import type { RgbImage } from '../../core/types.js';

/** Blurs an image in place. @param k kernel size in pixels, odd */
export function boxBlur(image: RgbImage, k: number): void {
  const { data, width, height } = image;
  const n = width * 3;
  const half = k >> 1;
  // Sums along the row for every row, then a running sum of k such rows.
  const across = new Int32Array(n * height);
  for (let y = 0; y < height; y++) sumAcross(data, y * n, width, half, across);
  const sums = new Int32Array(n);
  const add = (y: number, sign: number): void => {
    const row = mirrored(y, height) * n;
    for (let j = 0; j < n; j++) sums[j] += sign * across[row + j];
  };
  for (let y = -half; y < half; y++) add(y, 1);
  const area = k * k;
  for (let y = 0; y < height; y++) {
    add(y + half, 1);
    for (let j = 0; j < n; j++) data[y * n + j] = Math.round(sums[j] / area);
    add(y - half, -1);
  }
}

function sumAcross(data: Uint8Array, start: number, width: number, half: number, out: Int32Array): void {
  for (let c = 0; c < 3; c++) {
    const at = (x: number): number => data[start + mirrored(x, width) * 3 + c];
    let sum = 0;
    for (let x = -half; x < half; x++) sum += at(x);
    for (let x = 0; x < width; x++) {
      sum += at(x + half);
      out[start + x * 3 + c] = sum;
      sum -= at(x - half);
    }
  }
}

/** @returns the index in 0..n−1 that i refers to: … 2 1 [0 1 2 … n−1] n−2 n−3 … (OpenCV's BORDER_REFLECT_101) */
export function mirrored(i: number, n: number): number {
  while (i < 0 || i >= n) i = n === 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
  return i;
}
