/**
 * Exponential moving average (EMA) of weights and running statistics (Polyak and Juditsky 1992), which are validated and
 * saved. The decay ramps up, so that the average is not dominated by the initial weights.
 */
import * as tf from '@tensorflow/tfjs-core';

const DECAY = 0.9999;
/** Steps over which the decay ramps up. */
const TAU = 2000;

/** Decay of update t, counted from 1: 0.9999·(1 − e^(−t/2000)) (Ultralytics 8.4, ModelEMA). */
export function emaDecay(update: number): number {
  return DECAY * (1 - Math.exp(-update / TAU));
}

/** @returns d·average + (1 − d)·value, in a form that does not change the average if both are equal (frozen layers) */
export function emaUpdate(average: tf.Tensor, value: tf.Tensor, decay: tf.Scalar): tf.Tensor {
  return tf.add(average, tf.mul(tf.sub(value, average), tf.sub(1, decay)));
}
