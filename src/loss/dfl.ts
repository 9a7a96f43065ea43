/**
 * Distribution focal loss (Li et al. 2020, "Generalized Focal Loss", eq. 6): the distance to a side is a distribution over
 * the bins 0..15; cross-entropy against the two bins next to the true distance, weighted by nearness.
 */
import * as tf from '@tensorflow/tfjs-core';
import { REG_MAX } from '../nn/head.js';

/** The true distance stays this far below the last bin, so that there is a bin on both sides of it. */
const BELOW_LAST_BIN = 0.01;

/**
 * @param logProbabilities [N, 4, R] log-softmax over the bins
 * @param distances [N, 4] true distances in units of the stride
 * @returns [N] mean over the four sides
 */
export function dfl(logProbabilities: tf.Tensor, distances: tf.Tensor): tf.Tensor {
  const target = tf.clipByValue(distances, 0, REG_MAX - 1 - BELOW_LAST_BIN);
  // 1 − |bin − target|, where that is above 0, is at once which two bins count and how much.
  const distance = tf.abs(tf.sub(bins(), tf.expandDims(target, -1))); // [N, 4, R]
  const weights = tf.relu(tf.sub(1, distance));
  return tf.mul(tf.sum(tf.mul(weights, logProbabilities), [1, 2]), -1 / 4);
}

/** [R]: 0..15 */
export function bins(): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from({ length: REG_MAX }, (_, i) => i));
}
