/** The network as a pure function of tensors, which runs eagerly, traced, and on WebAssembly. */
import * as tf from '@tensorflow/tfjs-core';
import { decodeHead } from './decode.js';
import { anchorsOf, type HeadOutput } from './head.js';
import { runLayers } from './layers.js';
import type { Network } from './model.js';
import type { Params } from './parameters.js';
import { type TensorMode, TensorOps } from './tensor-ops.js';

/** Mode of a forward pass. */
export interface ForwardOptions extends TensorMode {
  /** Called with the output of every layer except the head. */
  tap?: (index: number, output: tf.Tensor) => void;
}

/** Outputs of a forward pass. */
export interface ForwardOutput extends HeadOutput {
  /** In training: new running means and variances by parameter name, 0.97 · old + 0.03 · batch (unbiased variance). */
  statistics: Params;
}

/**
 * @param x [B, H, W, 3] RGB 0..1, H and W multiples of `spec.stride`
 * @param params all parameters of the network, or the result of `foldBatchNorm`
 */
export function forward(
  { spec }: Network,
  x: tf.Tensor4D,
  params: Params,
  { tap, ...mode }: ForwardOptions = {},
): ForwardOutput {
  const ops = new TensorOps(params, mode);
  const { boxes, scores, maps } = runLayers<tf.Tensor>(spec, ops, x, tap);
  return {
    boxes: boxes as tf.Tensor3D,
    scores: scores as tf.Tensor3D,
    levels: maps.map(({ shape }): [number, number] => [shape[1]!, shape[2]!]),
    strides: spec.strides,
    statistics: ops.statistics,
  };
}

/**
 * Decodes the outputs of the head.
 * @returns [B, 4 + K, A]: cx cy w h in pixels of the network's input, then K scores 0..1
 */
export function decode(head: HeadOutput): tf.Tensor3D {
  const anchors = anchorsOf(head.levels, head.strides);
  const a = anchors.strides.length;
  const where = { points: tf.tensor2d(anchors.points, [a, 2]), strides: tf.tensor2d(anchors.strides, [a, 1]) };
  const { centre, size, scores } = decodeHead<tf.Tensor>(new TensorOps({}), 'head', head, where);
  return tf.transpose(tf.concat([centre, size, scores], -1), [0, 2, 1]) as tf.Tensor3D;
}
