/** Median blur as OpenCV's medianBlur(), with replicated borders. */
import type { RgbImage } from '../../core/types.js';
import { scratch } from '../../image/pixels.js';

/** Filters an image in place. @param k side of the window in pixels, odd, at most 15 */
export function medianBlur({ data, width, height }: RgbImage, k: number): void {
  const n = width * 3;
  const half = k >> 1;
  const wide = (width + 2 * half) * 3;
  const stride = wide + 16 - (wide % 16); // a kernel reads up to 15 bytes after a row
  const { kernels, at, bytes, words } = scratch(stride * height, 4 * k, n);
  const [source, rows, out] = at;
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * n, y * n + n);
    const start = source + y * stride;
    bytes.set(row, start + 3 * half);
    for (let x = 0; x < half; x++) {
      bytes.set(row.subarray(0, 3), start + 3 * x);
      bytes.set(row.subarray(n - 3), start + 3 * half + n + 3 * x);
    }
  }
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < k; i++) {
      words[rows / 4 + i] = source + Math.min(Math.max(y + i - half, 0), height - 1) * stride;
    }
    kernels.medianRow(rows, k, out, n);
    data.set(bytes.subarray(out, out + n), y * n);
  }
}
