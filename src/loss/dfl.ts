/**
 * Distribution focal loss (Li et al. 2020, "Generalized Focal Loss", eq. 6): the distance to a side is predicted as a
 * distribution over the bins 0..15; the loss is the cross-entropy with the two bins next to the true distance, weighted
 * linearly: −Σ relu(1 − |bin − distance|) log p(bin).
 */
import * as tf from '@tensorflow/tfjs-core';
import { REG_MAX } from '../nn/head.js';

/** True distances are clipped to this much below the last bin, so that there is a bin on both sides. */
const BELOW_LAST_BIN = 0.01;

/**
 * @param logProbabilities [N, 4, R] log-softmax over the bins
 * @param distances [N, 4] true distances in units of the stride
 * @returns [N] mean over the four sides
 */
export function dfl(logProbabilities: tf.Tensor, distances: tf.Tensor): tf.Tensor {
  const target = tf.clipByValue(distances, 0, REG_MAX - 1 - BELOW_LAST_BIN);
  // relu(1 − |bin − target|) is the weight of the two adjacent bins, and 0 for the others.
  const distance = tf.abs(tf.sub(bins(), tf.expandDims(target, -1))); // [N, 4, R]
  const weights = tf.relu(tf.sub(1, distance));
  return tf.mul(tf.sum(tf.mul(weights, logProbabilities), [1, 2]), -1 / 4);
}

/** [R]: 0..15 */
export function bins(): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from({ length: REG_MAX }, (_, i) => i));
}
