/** What the outputs of a head mean in pixels. */
import * as tf from '@tensorflow/tfjs-core';
import { anchorsOf, type HeadOutput, REG_MAX } from './head.js';
import type { Ops } from './ops.js';
import { TensorOps } from './tensor-ops.js';

/**
 * @param boxes [B, A, 4R] and scores [B, A, K], logits
 * @param points [1, A, 2] x, y of anchors in units of their stride @param strides [1, A, 1] pixels
 * @returns centre [B, A, 2] and size [B, A, 2] in pixels of the network's input, scores [B, A, K] in 0..1
 */
export function decodeHead<V>(
  ops: Ops<V>,
  name: string,
  { boxes, scores }: { boxes: V; scores: V },
  { points, strides }: { points: V; strides: V },
): { centre: V; size: V; scores: V } {
  const distances = ops.expectation(boxes, `${name}.dfl`, 4, REG_MAX); // left top right bottom, grid
  const [lt, rb] = ops.split(distances, [2, 2]);
  const centre = ops.mul(ops.add(points, ops.scale(ops.sub(rb, lt), 0.5)), strides);
  const size = ops.mul(ops.add(lt, rb), strides);
  return { centre, size, scores: ops.sigmoid(scores) };
}

/**
 * Boxes in pixels and scores 0..1: what prediction and the exporters return.
 * @returns [B, 4 + K, A]: cx cy w h in pixels of the network's input, then K scores
 */
export function decode(head: HeadOutput): tf.Tensor3D {
  const anchors = anchorsOf(head.levels, head.strides);
  const a = anchors.strides.length;
  const where = { points: tf.tensor2d(anchors.points, [a, 2]), strides: tf.tensor2d(anchors.strides, [a, 1]) };
  const { centre, size, scores } = decodeHead<tf.Tensor>(new TensorOps({}), 'head', head, where);
  return tf.transpose(tf.concat([centre, size, scores], -1), [0, 2, 1]) as tf.Tensor3D;
}
