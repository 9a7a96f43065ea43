/**
 * Batch normalization and SiLU as one op, from the addon in native/fused. In training the fused op and its gradient read or
 * write the activations 8 times instead of 22, and keep one tensor of that size instead of three for the backward pass. It is
 * used in traced graphs only; eagerly, on other engines and without the addon there are two ops.
 */
import * as tf from '@tensorflow/tfjs-core';
import { registerSummingOp } from '../graph/fuse-gradient-sums.js';
import type { OutputSpec } from '../graph/raw.js';
import { defineOp } from '../graph/raw.js';
import { loadedTensorflow } from '../graph/tensorflow.js';
import { isTracing } from '../graph/trace.js';
import { batchNormTrain, silu } from './kernels.js';

/** Parameters and running statistics of a BatchNorm. */
export interface BatchNorm {
  gamma: tf.Tensor;
  beta: tf.Tensor;
  /** Running statistics. */
  mean: tf.Tensor;
  variance: tf.Tensor;
  epsilon: number;
  /** Weight of the batch in the new running statistics, as in PyTorch. */
  momentum: number;
}

/** Outputs of a BatchNorm in training. */
export interface Normalized {
  /** [B, H, W, C] */
  y: tf.Tensor4D;
  /** [B, H, W, C / 2], the second half of the channels of y, if requested. */
  half?: tf.Tensor4D;
  /** New running statistics [C], with the unbiased variance of the batch. */
  mean: tf.Tensor;
  variance: tf.Tensor;
}

/**
 * silu(batchNorm(x)) with the statistics of the batch.
 * @param x [B, H, W, C]
 * @param withHalf also return the second half of the channels as a separate tensor
 */
export function batchNormSilu(x: tf.Tensor4D, norm: BatchNorm, withHalf = false): Normalized {
  if (isTracing() && loadedTensorflow()?.ops.length) {
    const { gamma, beta, mean, variance, epsilon, momentum } = norm;
    const out = (withHalf ? valueAndHalf : value)({ x, gamma, beta, mean, variance }, { epsilon, momentum });
    return { y: out[0] as tf.Tensor4D, mean: out[3], variance: out[4], half: out[5] as tf.Tensor4D | undefined };
  }
  const { y, ...statistics } = batchNorm(x, norm);
  const active = silu(y);
  return { y: active, half: withHalf ? secondHalf(active) : undefined, ...statistics };
}

/** batchNorm(x) with the statistics of the batch. @param x [B, H, W, C] */
export function batchNorm(x: tf.Tensor4D, norm: BatchNorm): Normalized {
  const { gamma, beta, mean, variance, epsilon, momentum } = norm;
  const batch = batchNormTrain(x, gamma, beta, epsilon);
  const moved = (running: tf.Tensor, now: tf.Tensor) => tf.add(tf.mul(running, 1 - momentum), tf.mul(now, momentum));
  return { y: batch.y, mean: moved(mean, batch.mean), variance: moved(variance, batch.variance) };
}

/**
 * Mean and biased variance [C] of x [B, H, W, C], from sums in double precision where the addon is: those of TensorFlow's
 * BatchNorm are of float32.
 */
export function momentsOf(x: tf.Tensor4D, { gamma, beta, mean, variance, epsilon, momentum }: BatchNorm) {
  if (isTracing() && loadedTensorflow()?.ops.length) {
    const [, average, inverse] = value({ x, gamma, beta, mean, variance }, { epsilon, momentum });
    return { mean: average, variance: tf.sub(tf.reciprocal(tf.square(inverse)), epsilon) };
  }
  const [b, h, w] = x.shape;
  const n = b * h * w;
  const own = batchNormTrain(x, tf.onesLike(gamma), tf.zerosLike(beta), epsilon);
  return { mean: own.mean, variance: tf.mul(own.variance, (n - 1) / n) };
}

/** @param x [B, H, W, C] @returns [B, H, W, C / 2], the second half of the channels */
export function secondHalf(x: tf.Tensor4D): tf.Tensor4D {
  return tf.split(x, 2, -1)[1] as tf.Tensor4D;
}

interface Attrs {
  epsilon: number;
  momentum: number;
}

const [value, valueAndHalf] = ['BatchNormSilu', 'BatchNormSiluHalf'].map((name) =>
  defineOp<'x' | 'gamma' | 'beta' | 'mean' | 'variance', Attrs>({
    name,
    inputs: ['x', 'gamma', 'beta', 'mean', 'variance'],
    half: true,
    kernel(emit, { x, gamma, beta, mean, variance }, { epsilon, momentum }) {
      const T = emit.type(x);
      const outputs = [{ shape: x.shape, dtype: T.type }, ...Array(4).fill(float(gamma.shape))];
      if (name === 'BatchNormSiluHalf')
        outputs.push({ shape: [...x.shape.slice(0, -1), x.shape[3] / 2], dtype: T.type });
      const attrs = { T, epsilon: { float: epsilon }, momentum: { float: momentum } };
      return emit.ops(name, [x, gamma, beta, mean, variance], attrs, outputs);
    },
    gradient: {
      save: ['x', 'gamma', 'beta'],
      saveOutputs: [false, true, true, false, false],
      of([dy, , , , , dhalf], [x, gamma, beta, mean, inverse]) {
        // One op computes all three. It is outside of the functions below because tfjs calls each of them in a tidy.
        const inputs = { x, gamma, beta, mean, inverse, dy, ...(dhalf && { dhalf }) };
        const [dx, dgamma, dbeta] = gradient(inputs as Parameters<typeof gradient>[0], {});
        return { x: () => dx, gamma: () => dgamma, beta: () => dbeta };
      },
    },
  }),
);

const gradient = defineOp<'x' | 'gamma' | 'beta' | 'mean' | 'inverse' | 'dy' | 'dhalf', object>({
  name: 'BatchNormSiluGrad',
  inputs: ['x', 'gamma', 'beta', 'mean', 'inverse', 'dy', 'dhalf'],
  half: true,
  kernel(emit, { x, gamma, beta, mean, inverse, dy, dhalf }) {
    const T = emit.type(x);
    const channels = gamma.shape[0];
    const parts = (dhalf ? [dy, dhalf] : [dy]).map((part) => emit.cast(part, T.type));
    const count = parts.map(({ shape }) => shape[shape.length - 1]);
    const attrs = { T, N: parts.length, from: parts.map(() => 0), to: count.map((n) => channels - n), count };
    const outputs = [{ shape: x.shape, dtype: T.type }, float(gamma.shape), float(gamma.shape)];
    return emit.ops('BatchNormSiluGrad', [x, gamma, beta, mean, inverse, ...parts], attrs, outputs);
  },
});

registerSummingOp('BatchNormSiluGrad', 5);

function float(shape: number[]): OutputSpec {
  return { shape, dtype: 'float32' };
}
