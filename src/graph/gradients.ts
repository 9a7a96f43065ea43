/**
 * Gradients. The Node build of tfjs-core does not include the gradients of its kernels; the package @tensorflow/tfjs
 * registers them (in the global registry that all copies of tfjs-core share). Loading it takes 0.1 s, so it is loaded on
 * first use.
 */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { registerFixedGradients } from './gradient-fixes.js';
import { flatten, isTensor, type Tree } from './tree.js';

let loaded = false;

/** Registers the gradients of all standard kernels, once. */
export function ensureGradients(): void {
  if (loaded) return;
  createRequire(import.meta.url)('@tensorflow/tfjs');
  registerFixedGradients();
  loaded = true;
}

/**
 * tf.valueAndGrads for a function with additional results, such as running statistics and components of the loss (tfjs
 * disposes all other tensors computed under its tape). Works eagerly and while tracing.
 * @param fn returns the loss, a scalar, and additional results, which are not differentiated
 * @returns gradients in the order of xs, zeros for an x that the loss does not depend on
 */
export function differentiate<R extends Tree<tf.Tensor>>(
  fn: () => { loss: tf.Tensor; rest: R },
  xs: tf.Tensor[],
): { loss: tf.Scalar; rest: R; gradients: tf.Tensor[] } {
  ensureGradients();
  const engine = tf.engine() as unknown as Engine;
  const carried: tf.Tensor[] = [];
  let rest: R | undefined;
  const forward = (): tf.Tensor => {
    const out = fn();
    rest = out.rest;
    for (const [, tensor] of flatten<tf.Tensor>(out.rest, isTensor)) {
      if (!tensor.kept) carried.push(tf.keep(tensor) as tf.Tensor);
    }
    return out.loss;
  };
  const { value, grads } = engine.gradients(forward, xs, null, true);
  for (const tensor of carried) {
    (tensor as { kept: boolean }).kept = false;
    engine.track(tensor); // now owned by the tidy scope around this call
  }
  return { loss: value as tf.Scalar, rest: rest!, gradients: grads.map((g, i) => g ?? tf.zerosLike(xs[i])) };
}

interface Engine {
  gradients(
    fn: () => tf.Tensor,
    xs: tf.Tensor[],
    dy: tf.Tensor | null,
    allowNoGradients: boolean,
  ): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
  track(tensor: tf.Tensor): tf.Tensor;
}
