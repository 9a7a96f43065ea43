/**
 * Outputs of the head of a network: for each anchor point the logits of the distances to the four sides of a box, and of the
 * classes. Anchor points are the centres of the cells of the levels P3, P4, P5, row by row; A is their number.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** R, the number of bins of the distribution of a box side. */
export const REG_MAX = 16;

/** Outputs of a head. */
export interface HeadOutput {
  /** [B, A, 4R] logits of the distances left, top, right, bottom. */
  boxes: tf.Tensor3D;
  /** [B, A, K] logits. */
  scores: tf.Tensor3D;
  /** Height and width of each level, cells. */
  levels: [height: number, width: number][];
  /** Stride of each level: pixels per cell. */
  strides: number[];
}

/** Anchor points. */
export interface Anchors {
  /** [A, 2] x, y in units of the stride. */
  points: Float32Array;
  /** [A] pixels. */
  strides: Float32Array;
}

/** Anchor points of all levels: cell i has its centre at i + 0.5 in grid units. */
export function anchorsOf(levels: readonly (readonly [number, number])[], strides: readonly number[]): Anchors {
  const count = levels.reduce((sum, [h, w]) => sum + h * w, 0);
  const points = new Float32Array(2 * count);
  const strideOf = new Float32Array(count);
  let a = 0;
  levels.forEach(([h, w], level) => {
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++, a++) {
        points[2 * a] = x + 0.5;
        points[2 * a + 1] = y + 0.5;
        strideOf[a] = strides[level];
      }
  });
  return { points, strides: strideOf };
}

/** Height and width in cells of each level. @param height @param width of the network's input, pixels */
export function levelsOf(height: number, width: number, strides: readonly number[]): [number, number][] {
  return strides.map((stride) => [Math.ceil(height / stride), Math.ceil(width / stride)]);
}
