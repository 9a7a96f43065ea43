/**
 * A network as an ONNX model, written directly: BatchNorm folded, NCHW, the contract that other runtimes of YOLOv8 know:
 * input `images` [B, 3, H, W] RGB 0..1, output `output0` [B, 4 + K, A] (cx cy w h in pixels, then scores 0..1), metadata.
 * With nms the output is [B, maxDet, 6]. With half, weights and convolutions are float16; input, decoding and output stay
 * float32, since coordinates beyond 512 have steps of half a pixel in float16.
 */
import type { LayerSpec, ModelSpec } from '../cfg/model-yaml.js';
import type { NamedArray } from '../core/types.js';
import { type AtomicFile, openAtomic } from '../io/files.js';
import { floatToHalf } from '../io/half.js';
import type { ProtoPart } from '../io/protobuf.js';
import { foldedArray, foldedShape } from '../nn/fold.js';
import { levelsOf } from '../nn/head.js';
import { type Dimension, OnnxGraph } from './onnx-graph.js';
import { decodeHead, type Final, type LevelOutput, suppress } from './onnx-head.js';

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
  const walk: Walk = { g, weights, half };
  const levels = network(walk, spec, half ? g.op('Cast', 'images_half', ['images'], { to: 10 }) : 'images');
  const name = `model.${spec.head.index}`;
  const { boxes, scores } = decodeHead(g, name, levels, dynamic ? undefined : imgsz);
  if (nms) suppress(g, boxes, scores, 'output0', nms);
  else g.op('Concat', 'output0', [boxes, scores], { axis: 1 });
  const [b, h, w]: Dimension[] = dynamic ? ['batch', 'height', 'width'] : [batch, ...imgsz];
  const anchors: Dimension = dynamic
    ? 'anchors'
    : levelsOf(...imgsz, spec.strides).reduce((sum, [y, x]) => sum + y * x, 0);
  const shape = nms ? [b, nms.maxDet, 6] : [b, 4 + spec.nc, anchors];
  return g.model({
    name: `YOLOv8${spec.scale ?? ''}`,
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

interface Walk {
  g: OnnxGraph;
  /** As in a checkpoint; each is folded when it is written. */
  weights: ReadonlyMap<string, NamedArray>;
  half: boolean;
}

/** All layers; the head's branches last. */
function network(walk: Walk, spec: ModelSpec, images: string): LevelOutput[] {
  const outputs: string[] = [];
  for (const layer of spec.layers.slice(0, -1)) {
    outputs.push(
      layerNode(
        walk,
        layer,
        layer.inputs.map((i) => (i < 0 ? images : outputs[i])),
      ),
    );
  }
  const { index, inputs, args } = spec.head;
  return inputs.map((input, level) => {
    const branch = (part: string): string => {
      const at = `model.${index}.${part}.${level}`;
      const hidden = cbs(walk, cbs(walk, outputs[input], `${at}.0`, 3), `${at}.1`, 3);
      const logits = plainConv(walk, hidden, `${at}.2`);
      return walk.half ? walk.g.op('Cast', `${at}.float`, [logits], { to: 1 }) : logits;
    };
    return { boxes: branch('cv2'), scores: branch('cv3'), stride: args.strides[level] };
  });
}

function layerNode(walk: Walk, layer: LayerSpec, inputs: string[]): string {
  const name = `model.${layer.index}`;
  const [x] = inputs;
  switch (layer.module) {
    case 'Conv':
      return cbs(walk, x, name, layer.args.kernel, layer.args.stride);
    case 'C2f':
      return c2f(walk, x, name, layer.repeats, layer.args);
    case 'SPPF':
      return sppf(walk, x, name);
    case 'Upsample':
      return upsample(walk, x, name);
    case 'Concat':
      return walk.g.op('Concat', name, inputs, { axis: 1 });
    case 'Detect':
      throw new Error('the head is built apart');
  }
}

function weight({ g, weights, half }: Walk, name: string): string {
  const shape = foldedShape(weights, name);
  if (!shape) throw new Error(`the weights have no '${name}'`);
  const values = () => foldedArray(weights, name)!.data;
  return half
    ? g.constant(name, 'float16', shape, () => floatToHalf(values()))
    : g.constant(name, 'float32', shape, values);
}

/** Convolution (BatchNorm folded in), then SiLU: x·sigmoid(x). */
function cbs(walk: Walk, x: string, name: string, kernel: number, stride = 1): string {
  const pad = Math.floor(kernel / 2);
  const attributes = {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: 1,
  };
  const y = walk.g.op(
    'Conv',
    `${name}.conv`,
    [x, weight(walk, `${name}.conv.weight`), weight(walk, `${name}.conv.bias`)],
    attributes,
  );
  return walk.g.op('Mul', `${name}.silu`, [y, walk.g.op('Sigmoid', `${name}.sigmoid`, [y])]);
}

/** 1x1 convolution with bias. */
function plainConv(walk: Walk, x: string, name: string): string {
  const attributes = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
  return walk.g.op('Conv', name, [x, weight(walk, `${name}.weight`), weight(walk, `${name}.bias`)], attributes);
}

function c2f(
  walk: Walk,
  x: string,
  name: string,
  repeats: number,
  { hidden, shortcut }: { hidden: number; shortcut: boolean },
): string {
  const { g } = walk;
  const sizes = g.ints(`${name}.split_sizes`, [hidden, hidden]);
  const parts = g.split('Split', `${name}.split`, [cbs(walk, x, `${name}.cv1`, 1), sizes], 2, { axis: 1 });
  for (let i = 0; i < repeats; i++) {
    const last = parts[parts.length - 1];
    const y = cbs(walk, cbs(walk, last, `${name}.m.${i}.cv1`, 3), `${name}.m.${i}.cv2`, 3);
    parts.push(shortcut ? g.op('Add', `${name}.m.${i}.add`, [last, y]) : y);
  }
  return cbs(walk, g.op('Concat', `${name}.concat`, parts, { axis: 1 }), `${name}.cv2`, 1);
}

function sppf(walk: Walk, x: string, name: string): string {
  const parts = [cbs(walk, x, `${name}.cv1`, 1)];
  // Padding of ONNX' MaxPool counts as −infinity, as it must: SiLU goes below 0.
  const attributes = { kernel_shape: [5, 5], strides: [1, 1], pads: [2, 2, 2, 2] };
  for (let i = 0; i < 3; i++) parts.push(walk.g.op('MaxPool', `${name}.pool.${i}`, [parts[i]], attributes));
  return cbs(walk, walk.g.op('Concat', `${name}.concat`, parts, { axis: 1 }), `${name}.cv2`, 1);
}

function upsample({ g }: Walk, x: string, name: string): string {
  const scales = g.floats(`${name}.scales`, [1, 1, 2, 2]);
  return g.op('Resize', name, [x, '', scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
}
