import { describe, expect, it } from 'vitest';
import type { AugmentSettings } from '../../../src/cfg/schema.js';
import { type Rng, rng } from '../../../src/core/rng.js';
import type { RgbImage } from '../../../src/core/types.js';
import { affineMatrix, invert, multiply, warpBoxes } from '../../../src/data/augment/affine.js';
import { canvasOf } from '../../../src/data/augment/canvas.js';
import { compose } from '../../../src/data/augment/compose.js';
import { cutmix } from '../../../src/data/augment/cutmix.js';
import { flipLeftRight, flipUpDown, swapRedBlue } from '../../../src/data/augment/flip.js';
import { hsv } from '../../../src/data/augment/hsv.js';
import { type LabelledImage, mosaic } from '../../../src/data/augment/mosaic.js';
import { type Augmentation, imagesOf, sampleAugmentation } from '../../../src/data/augment/sample.js';
import { warp } from '../../../src/data/augment/warp.js';
import { NO_AUGMENTATION } from '../../helpers/augment.js';

function noise(width: number, height: number, random: Rng): RgbImage {
  return { data: Uint8Array.from({ length: width * height * 3 }, () => random.int(256)), width, height };
}

/** A black image with white rectangles, each labelled. */
function rectangles(width: number, height: number, random: Rng): LabelledImage {
  const data = new Uint8Array(width * height * 3);
  const labels: number[] = [];
  for (let n = 0; n < 2; n++) {
    // One in the left half, one in the right: they don't touch.
    const [w, h] = [10 + random.int(width / 2 - 22), 12 + random.int(height - 30)];
    const [x, y] = [(n * width) / 2 + 4 + random.int(width / 2 - w - 6), random.int(height - h)];
    for (let r = y; r < y + h; r++) data.fill(255, (r * width + x) * 3, (r * width + x + w) * 3);
    labels.push(n, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height);
  }
  return { data, width, height, labels: new Float32Array(labels) };
}

const blank = (width: number, height: number): RgbImage => ({
  data: new Uint8Array(width * height * 3),
  width,
  height,
});

/** The augmentation of a stream, without the rare filters. */
function augmentationOf(settings: AugmentSettings, random: Rng, index: number, partner: () => number): Augmentation {
  return {
    ...sampleAugmentation(settings, random, index, partner),
    blur: undefined,
    median: undefined,
    grey: undefined,
    clahe: undefined,
  };
}

describe('augmentation', () => {
  it('flips and channel exchange undo themselves', () => {
    for (const [width, height] of [
      [7, 5],
      [8, 6],
      [1, 1],
    ]) {
      for (const change of [flipLeftRight, flipUpDown, swapRedBlue]) {
        const image = noise(width, height, rng(1));
        const before = image.data.slice();
        change(image);
        const has = change === swapRedBlue || width > 1; // one pixel has no sides to change
        expect(Buffer.compare(image.data, before) !== 0).toBe(has);
        change(image);
        expect(image.data).toEqual(before);
      }
    }
  });

  it('gains of 0 leave an image as it is but for the rounding of 8-bit HSV', () => {
    const image = noise(64, 64, rng(2));
    const before = image.data.slice();
    hsv(image, [0, 0, 0]);
    expect(Math.max(...image.data.map((v, i) => Math.abs(v - before[i])))).toBeLessThanOrEqual(9);
    const mean = image.data.reduce((sum, v, i) => sum + Math.abs(v - before[i]), 0) / before.length;
    expect(mean).toBeLessThan(1.5);
  });

  it('an affine without change gives the image back, exactly', () => {
    const image = noise(31, 22, rng(3));
    const affine = {
      angle: 0,
      scale: 1,
      shearX: 0,
      shearY: 0,
      perspectiveX: 0,
      perspectiveY: 0,
      centreX: 0.5,
      centreY: 0.5,
    };
    const out = blank(31, 22);
    const matrix = affineMatrix(affine, [31, 22], [31, 22]);
    expect(matrix).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    warp(canvasOf(image), matrix, out);
    expect(out.data).toEqual(image.data);
    const boxes = Float64Array.of(2, 3, 4, 20, 18);
    expect(warpBoxes(boxes, matrix, 1, 31, 22)).toEqual(boxes);
  });

  it('a matrix times its inverse is one', () => {
    const affine = {
      angle: 20,
      scale: 0.7,
      shearX: 5,
      shearY: -3,
      perspectiveX: 1e-3,
      perspectiveY: -5e-4,
      centreX: 0.4,
      centreY: 0.6,
    };
    const matrix = affineMatrix(affine, [40, 30], [32, 32]);
    multiply(matrix, invert(matrix)).forEach((v, i) => {
      expect(v).toBeCloseTo(i % 4 === 0 ? 1 : 0, 9);
    });
  });

  it.each([0.5, 0.77, 1, 1.5])('scale %f: row by row from the described mosaic equals the painted one', (scale) => {
    const random = rng(4, scale * 100);
    const images = [
      [40, 30],
      [29, 40],
      [40, 17],
      [12, 40],
    ].map(([w, h]) => ({
      ...noise(w, h, random),
      labels: new Float32Array(),
    }));
    const { canvas } = mosaic(images, [37, 44], 40);
    const affine = {
      angle: 0,
      scale,
      shearX: 0,
      shearY: 0,
      perspectiveX: 0,
      perspectiveY: 0,
      centreX: 0.47,
      centreY: 0.58,
    };
    const matrix = affineMatrix(affine, [80, 80], [40, 40]);
    const [rows, whole] = [blank(40, 40), blank(40, 40)];
    warp(canvas, matrix, rows);
    // A trace of rotation takes the general way, pixel by pixel.
    warp(
      canvas,
      matrix.map((v, i) => (i === 1 ? 1e-13 : v)),
      whole,
    );
    expect(rows.data).toEqual(whole.data);
    expect(new Set(rows.data).size).toBeGreaterThan(50);
  });

  it('labels stay on their objects through mosaic, scale, translation and flips', () => {
    const settings = {
      ...NO_AUGMENTATION,
      mosaic: 0.7,
      scale: 0.5,
      translate: 0.2,
      flipud: 0.5,
      fliplr: 0.5,
      bgr: 0.5,
    };
    const images = Array.from({ length: 6 }, (_, i) => rectangles(96, 60 + 6 * i, rng(5, i)));
    let seen = 0;
    for (let k = 0; k < 60; k++) {
      const random = rng(6, k);
      const out = blank(96, 96);
      const labels = compose(
        augmentationOf(settings, random, k % 6, () => random.int(6)),
        (i) => images[i],
        96,
        out,
      );
      for (let i = 0; i < labels.length; i += 5) seen += checkWhite(out, labels.subarray(i, i + 5));
    }
    expect(seen).toBeGreaterThan(100);
  });

  it('rotation, shear and perspective: a box holds its object and touches it on all sides when it is inside', () => {
    const settings = { ...NO_AUGMENTATION, degrees: 30, shear: 8, perspective: 5e-4, scale: 0.3 };
    let seen = 0;
    for (let k = 0; k < 20; k++) {
      const source = rectangles(96, 80, rng(7, k));
      const one = { ...source, labels: source.labels.slice(0, 5) };
      const augmentation = augmentationOf(settings, rng(8, k), 0, () => 0);
      const out = blank(96, 96);
      const labels = compose(augmentation, () => one, 96, out);
      // All white pixels belong to one of the two rectangles: redo it with the first alone.
      const alone = { ...one, data: new Uint8Array(source.data.length) };
      paintBox(alone, one.labels);
      compose(augmentation, () => alone, 96, out);
      if (!labels.length) continue;
      seen++;
      const hull = whiteHull(out);
      labels.subarray(1, 5).forEach((v, i) => {
        expect(Math.abs(v - hull[i])).toBeLessThan(3);
      });
    }
    expect(seen).toBeGreaterThan(15);
  });

  it('mixup keeps the labels of both, cutmix cuts boxes and never covers an object', () => {
    const images = [rectangles(64, 64, rng(9)), rectangles(64, 64, rng(10))];
    const out = blank(64, 64);
    const base = augmentationOf(NO_AUGMENTATION, rng(11), 0, () => 1);
    const second = augmentationOf(NO_AUGMENTATION, rng(12), 1, () => 0).scene;
    const mixed = compose({ ...base, mixup: { scene: second, ratio: 0.25 } }, (i) => images[i], 64, out);
    expect(mixed.length).toBe(20);
    const [a, b] = images.map(({ data }) => data);
    expect([...out.data]).toEqual([...a].map((v, i) => (v * 16384 + b[i] * 49152) >> 16));
    const image = { ...blank(64, 64) };
    const other = { ...blank(64, 64), data: new Uint8Array(64 * 64 * 3).fill(9) };
    const candidate = { area: 0.25, x: 0.5, y: 0.5 };
    const got = cutmix(
      image,
      Float64Array.of(0, 0, 0, 10, 10),
      other,
      Float64Array.of(1, 8, 20, 40, 30, 2, 0, 0, 17, 17),
      { candidates: [candidate], choice: 0 },
    );
    expect([...got]).toEqual([0, 0, 0, 10, 10, 1, 16, 20, 40, 30]);
    expect(image.data.filter((v) => v === 9).length).toBe(32 * 32 * 3);
    const covered = Float64Array.of(0, 30, 30, 50, 50);
    expect(cutmix(image, covered, other, covered, { candidates: [candidate], choice: 0 })).toBe(covered);
  });

  it('augmentations: probabilities and ranges are those of the settings, partners are asked for as often as needed', () => {
    const settings = {
      ...NO_AUGMENTATION,
      mosaic: 0.5,
      mixup: 0.3,
      scale: 0.5,
      translate: 0.1,
      fliplr: 0.5,
      hsv_h: 0.015,
      hsv_s: 0.7,
      hsv_v: 0.4,
    };
    const augmentations = Array.from({ length: 4000 }, (_, i) =>
      sampleAugmentation(settings, rng(13, i), 0, () => 1 + (i % 9)),
    );
    const part = (holds: (r: Augmentation) => boolean): number =>
      augmentations.filter(holds).length / augmentations.length;
    expect(part((r) => r.scene.images.length === 4)).toBeCloseTo(0.5, 1);
    expect(part((r) => r.mixup !== undefined)).toBeCloseTo(0.3, 1);
    expect(part((r) => r.flipLeftRight === true)).toBeCloseTo(0.5, 1);
    expect(part((r) => (r.cutmix ?? r.flipUpDown ?? r.swapRedBlue) !== undefined)).toBe(0);
    for (const rare of ['blur', 'median', 'grey', 'clahe'] as const) {
      expect(part((r) => Boolean(r[rare]))).toBeGreaterThan(0.004);
      expect(part((r) => Boolean(r[rare]))).toBeLessThan(0.02);
    }
    const range = (of: (r: Augmentation) => number): number[] => [
      Math.min(...augmentations.map(of)),
      Math.max(...augmentations.map(of)),
    ];
    expect(range((r) => r.scene.affine.scale).map((v) => v.toFixed(1))).toEqual(['0.5', '1.5']);
    expect(range((r) => r.scene.centre[0]).map((v) => v.toFixed(1))).toEqual(['0.5', '1.5']);
    expect(range((r) => r.scene.affine.centreY).map((v) => v.toFixed(1))).toEqual(['0.4', '0.6']);
    expect(range((r) => r.hsv![1]).map((v) => v.toFixed(1))).toEqual(['-0.7', '0.7']);
    expect(range((r) => r.mixup?.ratio ?? 0.5)[0]).toBeGreaterThan(0.2);
    expect(
      imagesOf({ ...augmentations[0], scene: { ...augmentations[0].scene, images: [3, 3, 4, 3] } }).slice(0, 2),
    ).toEqual([3, 4]);
  });
});

/** All of a box but its rim is white, and what is just outside is not. @returns places outside that were looked at */
function checkWhite(image: RgbImage, [, x1, y1, x2, y2]: Float32Array): number {
  const { width, height, data } = image;
  const value = (x: number, y: number): number => data[(Math.floor(y) * width + Math.floor(x)) * 3];
  let darkest = 255;
  for (let y = y1 + 1.6; y < y2 - 1.6; y++) {
    for (let x = x1 + 1.6; x < x2 - 1.6; x++) darkest = Math.min(darkest, value(x, y));
  }
  expect(darkest).toBeGreaterThan(250);
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const outside = [
    [x1 - 2.5, my],
    [mx, y1 - 2.5],
    [x2 + 2.5, my],
    [mx, y2 + 2.5],
  ].filter(([x, y]) => x > 0.5 && y > 0.5 && x < width - 0.5 && y < height - 0.5);
  for (const [x, y] of outside) expect(value(x, y)).toBeLessThan(128);
  return outside.length;
}

function paintBox({ data, width, height }: RgbImage, [, cx, cy, w, h]: Float32Array): void {
  for (let y = Math.round((cy - h / 2) * height); y < Math.round((cy + h / 2) * height); y++) {
    const x = Math.round((cx - w / 2) * width);
    data.fill(255, (y * width + x) * 3, (y * width + Math.round((cx + w / 2) * width)) * 3);
  }
}

/** Hull of the white pixels, x1 y1 x2 y2. */
function whiteHull({ data, width, height }: RgbImage): number[] {
  const hull = [width, height, 0, 0];
  for (let i = 0; i < width * height; i++) {
    if (data[i * 3] < 128) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    hull[0] = Math.min(hull[0], x);
    hull[1] = Math.min(hull[1], y);
    hull[2] = Math.max(hull[2], x + 1);
    hull[3] = Math.max(hull[3], y + 1);
  }
  return hull;
}
