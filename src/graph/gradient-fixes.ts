/**
 * Gradients that are missing or wrong in tfjs 4.22: those of maximum, minimum and squared difference with broadcasting
 * (tfjs returns the wrong shape and throws), and those of comparisons and logical ops, which are zero.
 */
import * as tf from '@tensorflow/tfjs-core';

type Pair = { a: () => tf.Tensor; b: () => tf.Tensor };

/** dy summed over the axes along which x was broadcast. */
function unbroadcast(dy: tf.Tensor, x: tf.Tensor): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(x.shape, dy.shape);
  return tf.reshape(axes.length ? tf.sum(dy, axes) : dy, x.shape);
}

/** @param slopes partial derivatives by a and b, each in the shape of the result */
function binary(kernelName: string, slopes: (a: tf.Tensor, b: tf.Tensor) => [() => tf.Tensor, () => tf.Tensor]): void {
  tf.registerGradient({
    kernelName,
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, [a, b]): Pair => {
      const [da, db] = slopes(a, b);
      const through = (slope: () => tf.Tensor, x: tf.Tensor) => () => unbroadcast(tf.mul(dy as tf.Tensor, slope()), x);
      return { a: through(da, a), b: through(db, b) };
    },
  });
}

/** Registers zero gradients for all inputs. */
function zeroGradient(kernelName: string, inputs: string[]): void {
  tf.registerGradient({
    kernelName,
    inputsToSave: inputs,
    gradFunc: (_, saved) => Object.fromEntries(inputs.map((name, i) => [name, () => tf.zeros(saved[i].shape)])),
  });
}

/** Registers these gradients in place of those of tfjs. */
export function registerFixedGradients(): void {
  const one = (mask: tf.Tensor) => tf.cast(mask, 'float32');
  binary('Maximum', (a, b) => [() => one(tf.greaterEqual(a, b)), () => one(tf.less(a, b))]);
  binary('Minimum', (a, b) => [() => one(tf.lessEqual(a, b)), () => one(tf.greater(a, b))]);
  binary('SquaredDifference', (a, b) => [() => tf.mul(tf.sub(a, b), 2), () => tf.mul(tf.sub(b, a), 2)]);
  for (const name of ['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual', 'LogicalAnd', 'LogicalOr']) {
    zeroGradient(name, ['a', 'b']);
  }
  zeroGradient('LogicalNot', ['x']);
}
