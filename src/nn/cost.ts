/** Parameters and computational cost of a network, by shape inference. */
import { decodeHead } from './decode.js';
import { runLayers } from './layers.js';
import type { ModelSpec } from './model-yaml.js';
import { inOrder, type ParameterSpec } from './parameters.js';
import { type Cost, type Shape, ShapeOps } from './shape-ops.js';

/** Parameters and costs of a network. */
export interface NetworkCost {
  /** In the order of `inOrder`. */
  parameters: ParameterSpec[];
  /** By layer; decoding is included in the head. */
  layers: Cost[];
}

/** @param imgsz height and width of the image, pixels; without it only parameters are counted */
export function costOf(spec: ModelSpec, imgsz?: readonly [height: number, width: number]): NetworkCost {
  const ops = new ShapeOps(imgsz);
  const { boxes, scores } = runLayers<Shape>(spec, ops, { channels: spec.channels, strides: [1] });
  const anchors = { points: { ...boxes, channels: 2 }, strides: { ...boxes, channels: 1 } };
  decodeHead(ops, spec.head.name, { boxes, scores }, anchors);
  return { parameters: inOrder(ops.parameters), layers: ops.costs };
}
