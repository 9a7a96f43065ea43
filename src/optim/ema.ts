/**
 * Exponential moving average of weights and running statistics (Polyak and Juditsky 1992). It is what is validated, saved
 * and shipped. The decay ramps up, so that the average is not dominated by the random start.
 */
import * as tf from '@tensorflow/tfjs-core';

const DECAY = 0.9999;
/** Steps over which the decay ramps up. */
const TAU = 2000;

/** Decay of update t, counted from 1: 0.9999·(1 − e^(−t/2000)). */
export function emaDecay(update: number): number {
  return DECAY * (1 - Math.exp(-update / TAU));
}

/** @returns d·average + (1 − d)·value, shape of both; in a form that keeps the average where both are equal (frozen layers) */
export function emaUpdate(average: tf.Tensor, value: tf.Tensor, decay: tf.Scalar): tf.Tensor {
  return tf.add(average, tf.mul(tf.sub(value, average), tf.sub(1, decay)));
}
