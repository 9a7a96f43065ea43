/**
 * Batch normalization with the statistics of a batch of which several workers have parts ("SyncBN"; Peng et al. 2018, "MegDet",
 * section 3.3). Forward and backward exchange two or three numbers a channel. Of plain operations: the fused op knows only its
 * own part.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type BatchNorm, momentsOf, type Normalized } from './fused.js';
import { stopGradient } from './kernels.js';

/** The batch that a part belongs to. */
export interface Across {
  /** Number of images of the whole batch. */
  images: number;
  /** Fraction of them in this part; 0: its image stands in for none. */
  share: number;
  /** Adds up a tensor over all parts; not differentiable. */
  sum<T extends tf.Tensor>(x: T): T;
}

/** Type of the last argument of tf.customGrad's function, which tfjs declares as a tensor. */
type Save = (tensors: tf.Tensor[]) => void;

/** @param x [B, H, W, C], this part of the batch */
export function batchNormAcross(x: tf.Tensor4D, norm: BatchNorm, across: Across): Normalized {
  const { gamma, beta, momentum, epsilon } = norm;
  const [, h, w] = x.shape;
  const count = across.images * h * w;
  const { mean, variance } = stopGradient(() => tf.tidy(() => statisticsOf(x, norm, across)));
  const normalize = tf.customGrad((...given) => {
    const [input, scale, shift, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, Save];
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const factor = tf.mul(scale, inverse);
    save([input, factor, inverse, mean]);
    const gradFunc = (dy: tf.Tensor, [input, factor, inverse, mean]: tf.Tensor[]): tf.Tensor[] => {
      const normalized = tf.mul(tf.sub(input, mean), inverse);
      const [dgamma, dbeta] = [sumPixels(tf.mul(dy, normalized)), sumPixels(dy)];
      const [meanGamma, meanBeta] = tf.split(tf.div(across.sum(tf.concat([dgamma, dbeta])), count), 2);
      const dx = tf.mul(factor, tf.sub(tf.sub(dy, meanBeta), tf.mul(normalized, meanGamma)));
      // Multiplied and not left out: all workers have to add up the same.
      return [across.share === 0 ? tf.mul(dx, 0) : dx, dgamma, dbeta];
    };
    return { value: tf.add(tf.mul(input, factor), tf.sub(shift, tf.mul(mean, factor))), gradFunc };
  });
  const moved = (running: tf.Tensor, now: tf.Tensor): tf.Tensor =>
    stopGradient(() => tf.add(tf.mul(running, 1 - momentum), tf.mul(now, momentum)));
  return {
    y: normalize(x, gamma, beta) as tf.Tensor4D,
    mean: moved(norm.mean, mean),
    variance: moved(norm.variance, tf.mul(variance, count / Math.max(count - 1, 1))),
  };
}

/**
 * Mean and biased variance [C] of the whole batch. The means of the parts are taken relative to the running mean, so that
 * their squares do not cancel (Chan et al. 1983, "Algorithms for computing the sample variance").
 */
function statisticsOf(x: tf.Tensor4D, norm: BatchNorm, { share, sum }: Across) {
  const own = momentsOf(x, norm);
  const offset = tf.sub(own.mean, norm.mean);
  const parts = tf.concat([offset, tf.add(own.variance, tf.square(offset))]);
  const [first, second] = tf.split(sum(tf.mul(parts, share)), 2);
  return { mean: tf.add(norm.mean, first), variance: tf.relu(tf.sub(second, tf.square(first))) };
}

/** Sum over images and pixels [C], in steps, so that no sum has many thousand summands of float32. */
function sumPixels(x: tf.Tensor): tf.Tensor {
  return tf.sum(tf.sum(x, 2), [0, 1]);
}
