/**
 * Gradients. The Node build of tfjs-core leaves out those of tfjs' own kernels; the umbrella package registers them (in the
 * global registry that every copy of tfjs-core shares). It is loaded only by those who differentiate: it costs 0.1 s.
 */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { mendGradients } from './gradient-fixes.js';
import { flatten, isTensor, type Tree } from './tree.js';

let loaded = false;

/** Registers the gradients of all standard kernels; cheap when called again. */
export function ensureGradients(): void {
  if (loaded) return;
  createRequire(import.meta.url)('@tensorflow/tfjs');
  mendGradients();
  loaded = true;
}

/**
 * tf.valueAndGrads for a function with more results than its loss: running statistics, the parts of the loss. (tfjs tidies
 * away whatever else was computed under its tape.) Works eagerly and while tracing.
 * @param fn loss is a scalar; no gradient flows through `rest`
 * @returns gradients in the order of xs, zeros for an x that the loss doesn't depend on
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
    engine.track(tensor); // from here on it belongs to the scope around this call
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
