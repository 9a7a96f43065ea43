/** Distances from an anchor point to the four sides of a box, from the distributions predicted by the head. */
import * as tf from '@tensorflow/tfjs-core';
import { REG_MAX } from './head.js';

/**
 * Expected value of distributions over 0, 1, … `bins` − 1: Σ i · softmax(logits)ᵢ.
 * @param logits [..., n · bins] @returns [N, 1], N the number of distributions
 */
export function expectedValues(logits: tf.Tensor, bins: number): tf.Tensor2D {
  const values = tf.tensor2d(
    Float32Array.from({ length: bins }, (_, i) => i),
    [bins, 1],
  );
  const p = tf.softmax(tf.reshape(logits, [-1, bins])) as tf.Tensor2D;
  return tf.matMul(p, values);
}

/**
 * Expected distance to each side.
 * @param boxes [..., 4R] logits
 * @returns [N, 4] left top right bottom, in units of the stride; N is the product of the leading dimensions
 */
export function expectedDistances(boxes: tf.Tensor): tf.Tensor2D {
  return tf.reshape(expectedValues(boxes, REG_MAX), [-1, 4]);
}
