import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { useNative } from '../../src/backend/tfjs-node.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { ciou, sidesOf } from '../../src/loss/ciou.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { golden, pick } from '../helpers/golden.js';

const g = golden('ciou');
const want = (name: string) => pick(g, name) as Arrayish;
const boxes = (name: string) => tf.tensor2d(want(name).data as Float32Array, want(name).shape as [number, number]);
const of = (a: tf.Tensor, b: tf.Tensor, options?: Parameters<typeof ciou>[2]) =>
  tf.reshape(ciou(sidesOf(a), sidesOf(b), options), [-1]);
const read = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });

describe('ciou', () => {
  beforeAll(async () => {
    await useNative();
    ensureGradients();
  });

  it('golden ciou: values and gradient', () => {
    tf.tidy(() => {
      const [a, b] = [boxes('boxes1'), boxes('boxes2')];
      expectClose(read(of(a, b)), want('ciou'), { atol: 1e-5 });
      expectClose(read(of(a, b, { differentiable: false })), want('ciou'), { atol: 1e-5 });
      const gradient = tf.grad((x) => tf.sum(of(x, b)))(a);
      expectClose(read(gradient), want('grad.boxes1'), { rtol: 1e-5 });
    });
  });

  it('is 1 for equal boxes, the same for a shift and a scale, at most the IoU', () => {
    tf.tidy(() => {
      const [a, b] = [boxes('boxes1'), boxes('boxes2')];
      for (const value of of(a, a).dataSync()) expect(value).toBeCloseTo(1, 5);
      expectClose(read(of(tf.mul(a, 4), tf.mul(b, 4))), read(of(a, b)), { atol: 1e-5 });
      expectClose(read(of(tf.add(a, 32), tf.add(b, 32))), read(of(a, b)), { atol: 1e-5 });
      const iou = want('iou').data;
      for (const [i, value] of of(a, b).dataSync().entries()) expect(value).toBeLessThanOrEqual(iou[i] + 1e-6);
    });
  });

  it('is finite, gradient too, for boxes without area', () => {
    tf.tidy(() => {
      const a = tf.tensor2d([
        [0, 0, 0, 0],
        [5, 5, 5, 5],
        [0, 0, 10, 0],
        [0, 0, 0, 0],
      ]);
      const b = tf.tensor2d([
        [0, 0, 0, 0],
        [0, 0, 10, 10],
        [0, 0, 0, 10],
        [3, 3, 9, 9],
      ]);
      expect([...of(a, b).dataSync()].every(Number.isFinite)).toBe(true);
      expect(
        [
          ...tf
            .grad((x) => tf.sum(of(x, b)))(a)
            .dataSync(),
        ].every(Number.isFinite),
      ).toBe(true);
    });
  });

  it.runIf(engineReady())('is the same in a graph, away from the origin, for boxes without area', () => {
    const a = tf.tensor2d([
      [40, 30, 40, 30],
      [2, 2, 73, 73],
    ]);
    const b = tf.tensor2d([
      [40, 30, 40, 30],
      [40, 30, 40, 30],
    ]);
    const graph = compile(({ a, b }: { a: tf.Tensor; b: tf.Tensor }) => ({ ciou: of(a, b) }), { name: 'ciou' });
    const { ciou } = graph({ a, b });
    expectClose(read(ciou), read(of(a, b)), { atol: 1e-6 });
    graph.dispose();
    tf.dispose([a, b, ciou]);
  });
});
