/**
 * What the head of a network gives: for each anchor logits of the distances from it to the four sides of a box, and of its
 * classes. Anchors are the cells of the levels P3 P4 P5, row by row; A is their number.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** Bins of a side's distribution. */
export const REG_MAX = 16;

export interface HeadOutput {
  /** [B, A, 4R] logits of the distances left, top, right, bottom. */
  boxes: tf.Tensor3D;
  /** [B, A, K] logits. */
  scores: tf.Tensor3D;
  /** Height and width of each level in cells. */
  levels: [height: number, width: number][];
  /** Pixels to a cell of each level. */
  strides: number[];
}

export interface Anchors {
  /** [A, 2] x, y of cell centres in units of the cell's stride. */
  points: Float32Array;
  /** [A] pixels to a cell. */
  strides: Float32Array;
}

/** Centres of all cells, (i + 0.5) in grid units. */
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

/** Levels of an image of this size. */
export function levelsOf(height: number, width: number, strides: readonly number[]): [number, number][] {
  return strides.map((stride) => [Math.ceil(height / stride), Math.ceil(width / stride)]);
}
