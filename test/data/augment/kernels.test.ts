/** The kernels take 4, 5 or 16 pixels or bytes at a time: the tests are about what is left over, and about borders. */
import { describe, expect, it } from 'vitest';
import { rng } from '../../../src/core/rng.js';
import type { RgbImage } from '../../../src/core/types.js';
import { canvasOf } from '../../../src/data/augment/canvas.js';
import { flipLeftRight } from '../../../src/data/augment/flip.js';
import { hsv } from '../../../src/data/augment/hsv.js';
import { medianBlur } from '../../../src/data/augment/median.js';
import { warp } from '../../../src/data/augment/warp.js';

const random = rng(1);

function noise(width: number, height: number): RgbImage {
  return { data: Uint8Array.from({ length: width * height * 3 }, () => random.int(256)), width, height };
}

const copyOf = (image: RgbImage): RgbImage => ({ ...image, data: image.data.slice() });
const clamp = (i: number, n: number): number => Math.min(Math.max(i, 0), n - 1);
const WIDTHS = [1, 2, 3, 4, 5, 6, 9, 10, 11, 16, 17, 31, 33];

describe('kernels of augmentation', () => {
  it.each(WIDTHS)('flip: width %i', (width) => {
    const image = noise(width, 3);
    const flipped = copyOf(image);
    flipLeftRight(flipped);
    const want = image.data.map((_, i) => {
      const [row, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
      return image.data[(row * width + width - 1 - x) * 3 + c];
    });
    expect(flipped.data).toEqual(want);
  });

  it.each(WIDTHS)('median: width %i, as by sorting', (width) => {
    for (const k of [3, 5, 7]) {
      const image = noise(width, 7);
      const half = k >> 1;
      const want = image.data.map((_, i) => {
        const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
        const window = Array.from({ length: k * k }, (_, j) => {
          const [row, column] = [clamp(y + Math.floor(j / k) - half, 7), clamp(x + (j % k) - half, width)];
          return image.data[(row * width + column) * 3 + c];
        });
        return window.sort((a, b) => a - b)[window.length >> 1];
      });
      medianBlur(image, k);
      expect(image.data).toEqual(want);
    }
  });

  it.each([1, 2, 3, 4, 5, 7, 8191, 8192, 8193, 16387])('gains of HSV: %i pixels, each as if alone', (n) => {
    const image = noise(n, 1);
    const changed = copyOf(image);
    hsv(changed, [0.3, -0.4, 0.2]);
    for (const x of [0, n >> 1, n - 3, n - 2, n - 1].filter((x) => x >= 0)) {
      const pixel = { data: image.data.slice(3 * x, 3 * x + 3), width: 1, height: 1 };
      hsv(pixel, [0.3, -0.4, 0.2]);
      expect([...changed.data.subarray(3 * x, 3 * x + 3)]).toEqual([...pixel.data]);
    }
  });

  it('warp by rows: as the general warp, in all widths', () => {
    for (const width of WIDTHS) {
      const canvas = canvasOf(noise(width + 3, 9));
      const matrix = [0.8, 0, 1.3, 0, 1.2, -2.4, 0, 0, 1];
      const [byRows, general] = [1, 1].map(() => ({ data: new Uint8Array(width * 8 * 3), width, height: 8 }));
      warp(canvas, matrix, byRows);
      // A shear of no effect in 8 bits.
      warp(canvas, matrix.with(1, 1e-12), general);
      expect(byRows.data).toEqual(general.data);
    }
  });
});
