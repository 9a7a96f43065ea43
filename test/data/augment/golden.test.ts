import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../../src/core/types.js';
import { warpBoxes } from '../../../src/data/augment/affine.js';
import { boxBlur } from '../../../src/data/augment/blur.js';
import { canvasOf } from '../../../src/data/augment/canvas.js';
import { clahe, equalize } from '../../../src/data/augment/clahe.js';
import { toGrey } from '../../../src/data/augment/grey.js';
import { type HsvGains, hsv } from '../../../src/data/augment/hsv.js';
import { labToRgb, rgbToLab } from '../../../src/data/augment/lab.js';
import { medianBlur } from '../../../src/data/augment/median.js';
import { warp } from '../../../src/data/augment/warp.js';
import { type GoldenArray, golden, pick } from '../../helpers/golden.js';

const g = golden('geometry');
const filters = golden('../fixtures/opencv-filters');

function imageOf(a: GoldenArray): RgbImage {
  return { data: new Uint8Array(a.data as Uint8Array), width: a.shape[1], height: a.shape[0] };
}

function difference(got: ArrayLike<number>, want: ArrayLike<number>): { mean: number; max: number } {
  expect(got.length).toBe(want.length);
  let [sum, max] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    sum += Math.abs(got[i] - want[i]);
    max = Math.max(max, Math.abs(got[i] - want[i]));
  }
  return { mean: sum / want.length, max };
}

/** The scale in M = T·S·R·P·C, from M alone: see the shapes of the factors in affine.ts. */
function scaleOf(m: ArrayLike<number>, width: number, height: number): number {
  // M·C⁻¹ = T·S·R·P, whose last column is the translation and whose last row is the perspective.
  const move = (i: number): number => m[i * 3] * (width / 2) + m[i * 3 + 1] * (height / 2) + m[i * 3 + 2];
  const [tx, ty] = [move(0) / move(2), move(1) / move(2)];
  const unit = move(2);
  const [a, b] = [m[0] / unit - (tx * m[6]) / unit, m[1] / unit - (tx * m[7]) / unit];
  const [c, d] = [m[3] / unit - (ty * m[6]) / unit, m[4] / unit - (ty * m[7]) / unit];
  const determinant = a * d - b * c; // s²·(1 − tan x·tan y)
  const product = a * c + b * d; // s²·(tan x + tan y)
  const squares = a * a + b * b + c * c + d * d - 2 * determinant; // s²·(tan x + tan y)²
  return squares < 1e-12 ? Math.sqrt(determinant) : Math.sqrt((product * product) / squares);
}

describe('geometry against golden', () => {
  const cases = [...g.tensors.keys()].filter((k) => /^affine\d+\.matrix$/.test(k)).map((k) => k.split('.')[0]);

  it.each(cases)('golden %s: image', (name) => {
    const want = imageOf(pick(g, `${name}.image_out`));
    const out = { data: new Uint8Array(want.data.length), width: want.width, height: want.height };
    warp(canvasOf(imageOf(pick(g, 'image'))), [...(pick(g, `${name}.matrix`).data as Float64Array)], out);
    const { mean, max } = difference(out.data, want.data);
    expect(mean).toBeLessThan(0.1);
    expect(max).toBeLessThanOrEqual(2);
  });

  it.each(cases)('golden %s: boxes and which are kept', (name) => {
    const source = imageOf(pick(g, 'image'));
    const size = pick(g, `${name}.image_out`).shape;
    const matrix = [...(pick(g, `${name}.matrix`).data as Float64Array)];
    const boxes = pick(g, `${name}.boxes_in`);
    const rows = new Float64Array((boxes.data.length / 4) * 5);
    for (let i = 0; i < boxes.data.length / 4; i++)
      rows.set([i, ...(boxes.data as Float32Array).subarray(i * 4, i * 4 + 4)], i * 5);
    const got = warpBoxes(rows, matrix, scaleOf(matrix, source.width, source.height), size[1], size[0]);
    const classes = [...got].filter((_, i) => i % 5 === 0);
    expect(classes).toEqual([...(pick(g, `${name}.kept`).data as Int32Array)]);
    const xyxy = [...got].filter((_, i) => i % 5 !== 0);
    expect(difference(xyxy, pick(g, `${name}.boxes_out`).data as Float32Array).max).toBeLessThan(1e-3);
  });

  it.each([...g.tensors.keys()].filter((k) => /^hsv\d+\.gains$/.test(k)).map((k) => k.split('.')[0]))(
    'golden %s',
    (name) => {
      const image = imageOf(pick(g, 'image'));
      hsv(image, [...(pick(g, `${name}.gains`).data as Float64Array)] as HsvGains);
      const { mean, max } = difference(image.data, pick(g, `${name}.image_out`).data as Uint8Array);
      expect(mean).toBeLessThan(0.1);
      expect(max).toBeLessThanOrEqual(2);
    },
  );
});

describe("filters against OpenCV's output for a small image", () => {
  const bytes = (name: string): Uint8Array => pick(filters, name).data as Uint8Array;
  const source = (): RgbImage => imageOf(pick(filters, 'image'));
  const n = source().width * source().height;

  it.each([3, 5, 7])('box blur %i: within rounding', (k) => {
    const image = source();
    boxBlur(image, k);
    expect(difference(image.data, bytes(`blur${k}`)).max).toBeLessThanOrEqual(1);
    expect(difference(image.data, bytes(`blur${k}`)).mean).toBeLessThan(0.01);
  });

  it.each([3, 5, 7])('median blur %i: exactly', (k) => {
    const image = source();
    medianBlur(image, k);
    expect(image.data).toEqual(new Uint8Array(bytes(`median${k}`)));
  });

  it('grey: exactly', () => {
    const image = source();
    toGrey(image);
    expect(image.data.filter((_, i) => i % 3 === 1)).toEqual(new Uint8Array(bytes('grey')));
  });

  it('Lab and back: within a level', () => {
    const forth = difference(rgbToLab(source().data, n), bytes('lab'));
    expect(forth.max).toBeLessThanOrEqual(1);
    expect(forth.mean).toBeLessThan(0.1);
    const out = new Uint8Array(n * 3);
    labToRgb(bytes('lab'), n, out);
    expect(difference(out, bytes('unlab')).max).toBeLessThanOrEqual(2);
    expect(difference(out, bytes('unlab')).mean).toBeLessThan(0.2);
  });

  it.each(['1', '2.5', '4'])('CLAHE of a channel with limit %s: within rounding', (limit) => {
    const channel = pick(filters, 'channel');
    const got = new Uint8Array(channel.data as Uint8Array);
    equalize(got, channel.shape[1], channel.shape[0], Number(limit));
    const { mean, max } = difference(got, bytes(`equalized${limit}`));
    expect(max).toBeLessThanOrEqual(1);
    expect(mean).toBeLessThan(0.05);
  });

  it('CLAHE of an image stretches lightness and leaves hue alone', () => {
    const n = 64 * 64;
    const image = {
      data: Uint8Array.from({ length: n * 3 }, (_, i) => 100 + (i % 3) + ((i * 7) % 40)),
      width: 64,
      height: 64,
    };
    const before = rgbToLab(image.data, n);
    clahe(image, 4);
    const after = rgbToLab(image.data, n);
    const spread = (lab: Uint8Array) =>
      Math.max(...lab.filter((_, i) => i % 3 === 0)) - Math.min(...lab.filter((_, i) => i % 3 === 0));
    expect(spread(after)).toBeGreaterThan(1.5 * spread(before));
    expect(
      difference(
        after.filter((_, i) => i % 3),
        before.filter((_, i) => i % 3),
      ).mean,
    ).toBeLessThan(2);
  });
});
