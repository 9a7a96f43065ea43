import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../src/core/types.js';
import { letterbox, letterboxInto, letterboxTransform, unletterbox } from '../../src/image/letterbox.js';
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

describe('letterboxTransform', () => {
  it('takes the larger half of an odd padding to the right and below', () => {
    const at = letterboxTransform({ width: 100, height: 100 }, [101, 100]);
    expect([at.padX, at.padY, at.height]).toEqual([0, 0, 101]);
  });

  it('rect pads bus.jpg (810x1080) to 640x480 and zidane.jpg (1280x720) to 384x640', () => {
    const bus = letterboxTransform({ width: 810, height: 1080 }, [640, 640], { auto: true });
    expect([bus.height, bus.width]).toEqual([640, 480]);
    const zidane = letterboxTransform({ width: 1280, height: 720 }, [640, 640], { auto: true });
    expect([zidane.height, zidane.width, zidane.padY]).toEqual([384, 640, 12]);
  });

  it('keeps a row of an image that is 10,000 times wider than high', () => {
    const at = letterboxTransform({ width: 10_000, height: 1 }, [640, 640]);
    expect([at.innerHeight, at.innerWidth]).toEqual([1, 640]);
    expect(letterbox(imageOf(10_000, 1), [640, 640]).image.data.length).toBe(640 * 640 * 3);
  });
});

describe('unletterbox', () => {
  it('brings corners back to where they were, and clips', () => {
    const size = { width: 333, height: 100 };
    const at = letterboxTransform(size, [640, 640]);
    const corner = [
      10 * at.ratio + at.padX,
      20 * at.ratio + at.padY,
      300 * at.ratio + at.padX,
      90 * at.ratio + at.padY,
    ];
    const rows = Float32Array.from([...corner, 0.5, 1, -50, -50, 900, 900, 0.5, 1]);
    unletterbox(rows, 6, at, size);
    expect([...rows.subarray(0, 4)].map((v) => Math.round(v * 1000) / 1000)).toEqual([10, 20, 300, 90]);
    expect([...rows.subarray(6, 10)]).toEqual([0, 0, 333, 100]);
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
