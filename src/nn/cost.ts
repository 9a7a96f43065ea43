/** What a network needs and costs, found by sending shapes through it. */
import { decodeHead } from './decode.js';
import { runLayers } from './layers.js';
import type { ModelSpec } from './model-yaml.js';
import { inOrder, type ParameterSpec } from './parameters.js';
import { type Cost, type Shape, ShapeOps } from './shape-ops.js';

export interface NetworkCost {
  /** In the order of `inOrder`. */
  parameters: ParameterSpec[];
  /** By layer; decoding counts with the head. */
  layers: Cost[];
}

/** @param imgsz height and width of the image, for what depends on it */
export function costOf(spec: ModelSpec, imgsz?: readonly [height: number, width: number]): NetworkCost {
  const ops = new ShapeOps(imgsz);
  const { boxes, scores } = runLayers<Shape>(spec, ops, { channels: spec.channels, strides: [1] });
  const anchors = { points: { ...boxes, channels: 2 }, strides: { ...boxes, channels: 1 } };
  decodeHead(ops, spec.head.name, { boxes, scores }, anchors);
  return { parameters: inOrder(ops.parameters), layers: ops.costs };
}
