/** Decoding of the outputs of a head: from logits to boxes in pixels and scores. */
import { REG_MAX } from './head.js';
import type { Ops } from './ops.js';

/**
 * @param head boxes [B, A, 4R] and scores [B, A, K], logits
 * @param anchors points [1, A, 2], x and y in units of the stride, and strides [1, A, 1], pixels
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
