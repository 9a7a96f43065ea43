import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useNative } from '../../src/backend/tfjs-node.js';
import { rng } from '../../src/core/rng.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { ciou, sidesOf } from '../../src/loss/ciou.js';
import { dfl } from '../../src/loss/dfl.js';
import { REG_MAX } from '../../src/nn/head.js';

/** Written from the papers in double precision, apart from the code under test; α is given, as it is constant. */
function ciouOf(a: number[], b: number[], alpha?: number): { value: number; alpha: number } {
  const [w1, h1, w2, h2] = [a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]];
  const overlap = (i: number) => Math.max(Math.min(a[i + 2], b[i + 2]) - Math.max(a[i], b[i]), 0);
  const intersection = overlap(0) * overlap(1);
  const iou = intersection / (w1 * h1 + w2 * h2 - intersection);
  const hull = (i: number) => Math.max(a[i + 2], b[i + 2]) - Math.min(a[i], b[i]);
  const centre = (i: number) => (a[i] + a[i + 2] - b[i] - b[i + 2]) / 2;
  const v = (4 / Math.PI ** 2) * (Math.atan(w2 / h2) - Math.atan(w1 / h1)) ** 2;
  alpha ??= v / (1 - iou + v);
  return { value: iou - (centre(0) ** 2 + centre(1) ** 2) / (hull(0) ** 2 + hull(1) ** 2) - alpha * v, alpha };
}

function dflOf(logits: number[], distance: number): number {
  const target = Math.min(Math.max(distance, 0), 15 - 0.01);
  const most = Math.max(...logits);
  const total = most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
  const left = Math.floor(target);
  return (left + 1 - target) * (total - logits[left]) + (target - left) * (total - logits[left + 1]);
}

/** Central differences of f at x. */
function slopes(f: (x: number[]) => number, x: number[], h = 1e-5): number[] {
  return x.map((_, i) => {
    const at = (d: number) => f(x.map((v, j) => (j === i ? v + d : v)));
    return (at(h) - at(-h)) / (2 * h);
  });
}

const boxes = (seed: number, n: number) =>
  Array.from({ length: n }, (_, i) => {
    const random = rng(seed, i);
    const [x, y] = [random.uniform(0, 10), random.uniform(0, 10)];
    return [x, y, x + random.uniform(1, 8), y + random.uniform(1, 8)];
  });

describe('finite differences', () => {
  beforeAll(async () => {
    await useNative();
    ensureGradients();
  });

  it('CIoU, 40 pairs, some of them apart', () => {
    tf.tidy(() => {
      const [a, b] = [boxes(1, 40), boxes(2, 40)];
      const f = (x: tf.Tensor) => tf.reshape(ciou(sidesOf(x), sidesOf(tf.tensor2d(b))), [-1]);
      const values = f(tf.tensor2d(a)).dataSync();
      const gradient = tf
        .grad((x) => tf.sum(f(x)))(tf.tensor2d(a))
        .dataSync();
      for (const [i, box] of a.entries()) {
        const { value, alpha } = ciouOf(box, b[i]);
        expect(values[i]).toBeCloseTo(value, 5);
        for (const [j, slope] of slopes((x) => ciouOf(x, b[i], alpha).value, box).entries())
          expect(gradient[4 * i + j], `pair ${i}, side ${j}`).toBeCloseTo(slope, 4);
      }
    });
  });

  it('distribution focal loss, targets below 0, between bins, on a bin and beyond the last', () => {
    tf.tidy(() => {
      const targets = [
        [-1, 0.3, 7.99, 20],
        [2, 14.995, 0, 5.5],
      ];
      const random = rng(3);
      const logits = Array.from({ length: 2 }, () =>
        Array.from({ length: 4 }, () => Array.from({ length: REG_MAX }, () => random.normal() * 3)),
      );
      const x = tf.tensor3d(logits);
      const f = (t: tf.Tensor) => dfl(tf.logSoftmax(t), tf.tensor2d(targets));
      const values = f(x).dataSync();
      const gradient = tf
        .grad((t) => tf.sum(f(t)))(x)
        .dataSync();
      for (let n = 0; n < 2; n++) {
        const want = logits[n].reduce((sum, side, j) => sum + dflOf(side, targets[n][j]) / 4, 0);
        expect(Math.abs(values[n] - want)).toBeLessThan(1e-5 * want);
        for (let side = 0; side < 4; side++) {
          const all = slopes((s) => dflOf(s, targets[n][side]) / 4, logits[n][side]);
          for (const [i, slope] of all.entries())
            expect(gradient[(n * 4 + side) * REG_MAX + i], `${n}, ${side}, ${i}`).toBeCloseTo(slope, 4);
        }
      }
    });
  });
});
