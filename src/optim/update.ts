/**
 * An optimizer step over all parameters: clipping by the global norm, then the update rule on each parameter with the
 * learning rate and weight decay of its group.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { GroupScalars, Trainable } from './groups.js';
import { clipFactor, type OptimizerRule } from './optimizers.js';

/** Inputs of a step; arrays are in the order of `trainables`. */
export interface UpdateInput {
  rule: OptimizerRule;
  trainables: readonly Trainable[];
  values: tf.Tensor[];
  gradients: tf.Tensor[];
  /** Optimizer state of each parameter. */
  optimizerState: tf.Tensor[][];
  scalars: GroupScalars;
  /** Weight decay of the group 'weight', scaled to the batch (scaledWeightDecay). */
  decay: number;
  /** Global norm to which gradients are clipped. */
  maxNorm: number;
}

/** @returns new values and optimizer state in the same order, and the global norm [] before clipping */
export function updateAll(u: UpdateInput): { values: tf.Tensor[]; optimizerState: tf.Tensor[][]; norm: tf.Scalar } {
  const { norm, factor } = clipFactor(u.gradients, u.maxNorm);
  const values: tf.Tensor[] = [];
  const optimizerState: tf.Tensor[][] = [];
  u.trainables.forEach(({ group }, i) => {
    const scalars = { ...u.scalars, lr: u.scalars.lr[group] };
    const out = u.rule.update(
      u.values[i],
      tf.mul(u.gradients[i], factor),
      u.optimizerState[i],
      group === 'weight' ? u.decay : 0,
      scalars,
    );
    values.push(out.value);
    optimizerState.push(out.state);
  });
  return { values, optimizerState, norm };
}
