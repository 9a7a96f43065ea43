import { describe, expect, it } from 'vitest';
import { letterboxTransform } from '../../src/core/boxes.js';
import type { RgbImage } from '../../src/core/types.js';
import { letterbox, letterboxInto } from '../../src/image/letterbox.js';
import { resize } from '../../src/image/resize.js';
import { golden, pick } from '../helpers/golden.js';

function imageOf(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255);
  return { data, width, height };
}

describe('letterbox agrees with OpenCV (golden/geometry)', () => {
  const g = golden('geometry');
  const src = pick(g, 'image');
  const image: RgbImage = { data: src.data as Uint8Array, height: src.shape[0], width: src.shape[1] };
  for (const [name, options] of Object.entries(g.meta).filter(([key]) => key.startsWith('letterbox.'))) {
    it(`golden ${name}`, () => {
      const want = pick(g, name);
      const { image: got } = letterbox(image, options.new_shape, {
        auto: options.auto,
        stride: options.stride,
        scaleUp: options.scaleup,
      });
      expect([got.height, got.width, 3]).toEqual(want.shape);
      let [sum, worst] = [0, 0];
      for (let i = 0; i < want.data.length; i++) {
        const d = Math.abs(got.data[i] - Number(want.data[i]));
        sum += d;
        worst = Math.max(worst, d);
      }
      expect(sum / want.data.length).toBeLessThan(0.01);
      expect(worst).toBeLessThanOrEqual(1);
    });
  }
});

describe('letterbox', () => {
  it('keeps a row of an image that is 10,000 times wider than high', () => {
    expect(letterbox(imageOf(10_000, 1), [640, 640]).image.data.length).toBe(640 * 640 * 3);
  });
});

describe('letterboxInto', () => {
  it('writes its slot of a batch and nothing else', () => {
    const at = letterboxTransform({ width: 50, height: 30 }, [64, 64]);
    const size = 64 * 64 * 3;
    const batch = new Uint8Array(3 * size).fill(7);
    letterboxInto(imageOf(50, 30), at, batch, size);
    expect(batch.subarray(0, size).every((v) => v === 7)).toBe(true);
    expect(batch.subarray(2 * size).every((v) => v === 7)).toBe(true);
    expect([...batch.subarray(size, 2 * size)]).toEqual([...letterbox(imageOf(50, 30), [64, 64]).image.data]);
  });
});

describe('resize', () => {
  it('halving is the rounded mean of 2x2', () => {
    const out = resize(
      { data: Uint8Array.from([0, 0, 0, 1, 10, 20, 2, 20, 30, 3, 30, 255]), width: 2, height: 2 },
      1,
      1,
    );
    expect([...out.data]).toEqual([2, 15, 76]);
  });

  it('keeps a flat colour flat, up and down', () => {
    const flat = { data: new Uint8Array(30 * 20 * 3).fill(201), width: 30, height: 20 };
    for (const [w, h] of [
      [7, 3],
      [71, 53],
      [1, 1],
      [30, 41],
    ]) {
      expect(new Set(resize(flat, w, h).data)).toEqual(new Set([201]));
    }
  });
});
