/**
 * Median blur as OpenCV's medianBlur(), with replicated borders. A histogram slides along each row
 * (Huang, Yang, Tang 1979: "A fast two-dimensional median filtering algorithm").
 */
import type { RgbImage } from '../../core/types.js';

/** Filters an image in place. @param k side of the window in pixels, odd */
export function medianBlur(image: RgbImage, k: number): void {
  const source = image.data.slice(0, image.width * image.height * 3);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < image.height; y++) medianRow(source, image, y, c, k);
  }
}

function medianRow(source: Uint8Array, { data, width, height }: RgbImage, y: number, c: number, k: number): void {
  const half = k >> 1;
  const middle = (k * k) >> 1;
  const histogram = new Int32Array(256);
  const rows = Array.from({ length: k }, (_, i) => Math.min(Math.max(y + i - half, 0), height - 1) * width);
  let median = 0;
  // Number of values in the window that are smaller than `median`.
  let below = 0;
  const column = (x: number, sign: number): void => {
    const inside = Math.min(Math.max(x, 0), width - 1);
    for (let i = 0; i < k; i++) {
      const value = source[(rows[i] + inside) * 3 + c];
      histogram[value] += sign;
      if (value < median) below += sign;
    }
  };
  for (let x = -half; x < half; x++) column(x, 1);
  for (let x = 0; x < width; x++) {
    column(x + half, 1);
    while (below > middle) below -= histogram[--median];
    while (below + histogram[median] <= middle) below += histogram[median++];
    data[(y * width + x) * 3 + c] = median;
    column(x - half, -1);
  }
}
