/**
 * The head: for each level a box branch (distributions over the distances to the four sides: Li et al. 2020,
 * "Generalized Focal Loss") and a class branch, and what their outputs mean in pixels.
 * Anchors run over the levels P3 P4 P5, row by row; A is their number.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { DetectArgs } from '../cfg/model-yaml.js';
import { type Block, conv, type Declare, type Pass, plainConv } from './blocks.js';

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

/** Builds both branches of each level: 3x3 CBS, 3x3 CBS, 1x1 convolution with bias. */
export function detect(declare: Declare, name: string, inChannels: number[], args: DetectArgs) {
  const { nc, boxHidden, classHidden, strides } = args;
  const branch = (part: string, level: number, hidden: number, out: number, bias: number): Block[] => [
    conv(declare, `${name}.${part}.${level}.0`, inChannels[level], hidden, 3),
    conv(declare, `${name}.${part}.${level}.1`, hidden, hidden, 3),
    plainConv(declare, `${name}.${part}.${level}.2`, hidden, out, bias),
  ];
  // 2.0 on every bin of a distribution (it was 1.0 before 8.4); 5 objects a 640x640 picture at the start.
  const boxes = inChannels.map((_, level) => branch('cv2', level, boxHidden, 4 * REG_MAX, 2));
  const scores = inChannels.map((_, i) =>
    branch('cv3', i, classHidden, nc, Math.log(5 / nc / (640 / strides[i]) ** 2)),
  );
  return (features: tf.Tensor4D[], pass: Pass): HeadOutput => ({
    boxes: allLevels(features, boxes, pass),
    scores: allLevels(features, scores, pass),
    levels: features.map(({ shape }) => [shape[1], shape[2]]),
    strides,
  });
}

/** @returns [B, A, D]: each level through its branch, cells in rows, levels after one another */
function allLevels(features: tf.Tensor4D[], branches: Block[][], pass: Pass): tf.Tensor3D {
  const flat = features.map((feature, level) => {
    const y = branches[level].reduce((x, block) => block(x, pass), feature);
    return tf.reshape(y, [y.shape[0], y.shape[1] * y.shape[2], y.shape[3]]);
  });
  return tf.concat(flat, 1) as tf.Tensor3D;
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

/** Levels of a picture of this size. */
export function levelsOf(height: number, width: number, strides: readonly number[]): [number, number][] {
  return strides.map((stride) => [Math.ceil(height / stride), Math.ceil(width / stride)]);
}

/**
 * Expected distance to each side: softmax over the 16 bins, times 0..15.
 * @param boxes [..., 4R] logits
 * @returns [N, 4] in units of the stride, N the product of the leading sizes
 */
export function expectedDistances(boxes: tf.Tensor): tf.Tensor2D {
  const bins = tf.tensor2d(
    Float32Array.from({ length: REG_MAX }, (_, i) => i),
    [REG_MAX, 1],
  );
  const p = tf.softmax(tf.reshape(boxes, [-1, REG_MAX])); // [4N, R]
  return tf.reshape(tf.matMul(p as tf.Tensor2D, bins), [-1, 4]);
}

/**
 * Boxes in pixels and scores 0..1: what prediction and the exporters return.
 * @returns [B, 4 + K, A]: cx cy w h in pixels of the network's input, then K scores
 */
export function decode({ boxes, scores, levels, strides: perLevel }: HeadOutput): tf.Tensor3D {
  const anchors = anchorsOf(levels, perLevel);
  const [b, a] = boxes.shape;
  const distances = tf.reshape(expectedDistances(boxes), [b, a, 4]); // left top right bottom, grid
  const points = tf.tensor2d(anchors.points, [a, 2]);
  const strides = tf.tensor2d(anchors.strides, [a, 1]);
  const [lt, rb] = tf.split(distances, 2, -1); // [B, A, 2] each
  const centre = tf.mul(tf.add(points, tf.mul(tf.sub(rb, lt), 0.5)), strides);
  const size = tf.mul(tf.add(lt, rb), strides);
  return tf.transpose(tf.concat([centre, size, tf.sigmoid(scores)], -1), [0, 2, 1]) as tf.Tensor3D;
}
