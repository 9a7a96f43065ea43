/**
 * A network as an ONNX model, written directly: BatchNorm folded, NCHW, the contract that other runtimes of YOLOv8 know:
 * input `images` [B, 3, H, W] RGB 0..1, output `output0` [B, 4 + K, A] (cx cy w h in pixels, then scores 0..1), metadata.
 * With nms the output is [B, maxDet, 6]. With half, weights and convolutions are float16; input, decoding and output stay
 * float32, since coordinates beyond 512 have steps of half a pixel in float16.
 */
import type { NamedArray } from '../core/types.js';
import { type AtomicFile, openAtomic } from '../io/files.js';
import type { ProtoPart } from '../io/protobuf.js';
import { decodeHead } from '../nn/decode.js';
import { levelsOf } from '../nn/head.js';
import { runLayers } from '../nn/layers.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { fixedAnchors, freeAnchors } from './onnx-anchors.js';
import { type Dimension, OnnxGraph } from './onnx-graph.js';
import { type Final, suppress } from './onnx-nms.js';
import { OnnxOps } from './onnx-ops.js';

export interface OnnxOptions {
  /** [H, W]; with `dynamic` only a hint in the metadata. */
  imgsz: [height: number, width: number];
  batch: number;
  /** Batch, height and width are free. */
  dynamic: boolean;
  half: boolean;
  /** Version of the operator set. */
  opset: number;
  /** The graph ends in final detections. */
  nms?: Final;
  metadata: Record<string, string>;
  version: string;
}

/** @param weights as in a checkpoint, unfolded @returns the model's bytes, in pieces */
export function onnxModel(spec: ModelSpec, weights: ReadonlyMap<string, NamedArray>, options: OnnxOptions): ProtoPart {
  const { imgsz, batch, dynamic, half, opset, nms, metadata, version } = options;
  const g = new OnnxGraph();
  const ops = new OnnxOps(g, weights, half);
  const { name } = spec.head;
  const head = runLayers(spec, ops, ops.image('images'));
  const anchors = dynamic ? freeAnchors(g, name, spec.strides, head.maps) : fixedAnchors(g, name, spec.strides, imgsz);
  const { centre, size, scores } = decodeHead(ops, name, head, anchors);
  if (nms) suppress(g, { centre, size, scores }, 'output0', nms);
  else g.op('Concat', 'output0', [centre, size, scores], { axis: 1 });
  const [b, h, w]: Dimension[] = dynamic ? ['batch', 'height', 'width'] : [batch, ...imgsz];
  const cells: Dimension = dynamic
    ? 'anchors'
    : levelsOf(...imgsz, spec.strides).reduce((sum, [y, x]) => sum + y * x, 0);
  const shape = nms ? [b, nms.maxDet, 6] : [b, 4 + spec.nc, cells];
  return g.model({
    name: spec.title,
    inputs: [{ name: 'images', element: 'float32', shape: [b, spec.channels, h, w] }],
    outputs: [{ name: 'output0', element: 'float32', shape }],
    opset,
    producer: 'yolov8-tfjs',
    version,
    metadata,
  });
}

/** Writes the pieces one after the other. @returns the file, yet to be committed @throws UserError 'cannot-write' */
export function modelFile(path: string, model: ProtoPart): AtomicFile {
  const file = openAtomic(path);
  try {
    for (const piece of model.pieces()) file.write(piece);
    return file;
  } catch (error) {
    file.abort();
    throw error;
  }
}
