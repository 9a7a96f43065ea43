import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchNormTrain, biasAdd, conv2d, maxPool5, silu, stopGradient, upsample2x } from '../../src/nn/kernels.js';
import { expectClose } from '../helpers/close.js';
import { native } from '../helpers/native.js';

beforeAll(native);

const random = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);
const plain = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });

/** Gradients of sum(f(xs) · weights) by tfjs' tape, native op against the stock composition. */
function expectSame(
  f: (...xs: tf.Tensor[]) => tf.Tensor,
  composed: (...xs: tf.Tensor[]) => tf.Tensor,
  xs: tf.Tensor[],
  rtol = 1e-5,
) {
  tf.tidy(() => {
    const weights = random(composed(...xs).shape, 99);
    const loss = (g: typeof f) =>
      tf.valueAndGrads((...v: tf.Tensor[]) => tf.sum(tf.mul(g(...v), weights)) as tf.Scalar)(xs);
    expectClose(plain(f(...xs)), plain(composed(...xs)), { rtol, label: 'value' });
    const got = loss(f);
    const want = loss(composed);
    got.grads.forEach((g, i) => {
      expectClose(plain(g), plain(want.grads[i]), { rtol, label: `gradient ${i}` });
    });
  });
}

describe('convolution pads as PyTorch does', () => {
  for (const [k, stride, h, w] of [
    [1, 1, 5, 7],
    [3, 1, 6, 5],
    [3, 2, 8, 8],
    [3, 2, 7, 9],
    [5, 2, 9, 8],
    [1, 2, 6, 7],
    [6, 2, 12, 10],
    [2, 1, 5, 5],
  ]) {
    it(`k=${k} stride=${stride} ${h}x${w}`, () => {
      const pad: [number, number][] = [
        [0, 0],
        [k >> 1, k >> 1],
        [k >> 1, k >> 1],
        [0, 0],
      ];
      expectSame(
        (x, f) => conv2d(x, f, stride),
        (x, f) => tf.conv2d(tf.pad(x, pad) as tf.Tensor4D, f as tf.Tensor4D, stride, 'valid'),
        [random([2, h, w, 3], 1), random([k, k, 3, 4], 2)],
      );
    });
  }
});

it('batch norm: value, gradients, statistics with n - 1', () => {
  const composed = (x: tf.Tensor, g: tf.Tensor, b: tf.Tensor) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2], true);
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-3))), g), b);
  };
  const x = random([3, 4, 5, 6], 3);
  expectSame((a, g, b) => batchNormTrain(a, g, b, 1e-3).y, composed, [x, random([6], 4), random([6], 5)], 2e-5);
  const { mean, variance } = batchNormTrain(x, tf.ones([6]), tf.zeros([6]));
  const m = tf.moments(x, [0, 1, 2]);
  expectClose(plain(mean), plain(m.mean), { atol: 1e-6 });
  expectClose(plain(variance), plain(tf.mul(m.variance, 60 / 59)), { rtol: 1e-5 });
});

it('silu', () => expectSame(silu, (x) => tf.mul(x, tf.sigmoid(x)), [tf.mul(random([4, 9], 6), 9)]));
it('bias', () => expectSame(biasAdd, (x, b) => tf.add(x, b), [random([2, 3, 4, 5], 7), random([5], 8)]));
it('max pool 5', () =>
  expectSame(maxPool5, (x) => tf.maxPool(x as tf.Tensor4D, 5, 1, 'same'), [tf.sub(random([2, 7, 6, 3], 9), 5)]));
it('upsampling and the sum of its gradient', () => {
  const composed = (x: tf.Tensor) => {
    const [b, h, w, c] = x.shape as [number, number, number, number];
    const wide = tf.reshape(tf.stack([x, x], 3), [b, h, 2 * w, c]);
    return tf.reshape(tf.stack([wide, wide], 2), [b, 2 * h, 2 * w, c]);
  };
  expectSame(upsample2x, composed, [random([2, 3, 4, 5], 10)]);
});

it('stopGradient counts as constant and leaves the tape alone', () => {
  const x = tf.tensor1d([1, 2, 3]);
  const f = (v: tf.Tensor) => {
    const before = tf.square(v);
    const fixed = stopGradient(() => {
      const [inner] = tf.grads((u: tf.Tensor) => tf.sum(tf.square(u)) as tf.Scalar)([v]);
      return tf.mul(inner, 3);
    });
    return tf.sum(tf.mul(before, fixed)) as tf.Scalar;
  };
  expect([...tf.grad(f)(x).dataSync()]).toEqual([12, 48, 108]);
});

it('leaves no tensors behind', () => {
  const x = random([1, 4, 4, 3], 1);
  const w = random([3, 3, 3, 3], 1);
  const before = tf.memory().numTensors;
  for (const y of [conv2d(x, w, 2), upsample2x(x), maxPool5(x), silu(x)]) y.dispose();
  const n = batchNormTrain(x, tf.ones([3]), tf.zeros([3]));
  expect(tf.memory().numTensors).toBeGreaterThan(before);
  expect(n.y.shape).toEqual([1, 4, 4, 3]);
  const after = tf.memory().numTensors;
  tf.dispose([conv2d(x, w, 2), upsample2x(x), maxPool5(x), silu(x)]);
  expect(tf.memory().numTensors).toBe(after);
});
