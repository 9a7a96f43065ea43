/**
 * format=saved_model: a folder that TensorFlow loads (Python: tf.saved_model.load(dir).signatures['serving_default'];
 * tfjs-node; TensorFlow Serving). Signature serving_default: `images` [B, H, W, 3] float32 RGB 0..1 → `output0`
 * [B, 4 + K, A], cx cy w h in pixels of the input, then K scores 0..1. The weights are constants of the graph.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import type { ModelSpec } from '../cfg/model-yaml.js';
import { UserError } from '../core/errors.js';
import type { NamedArray } from '../core/types.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { savedModel } from '../graph/graphdef.js';
import { openAtomic, writeFileAtomic } from '../io/files.js';
import { floatToHalf } from '../io/half.js';
import { inferenceGraph, isKernel, literalOf } from './inference-graph.js';
import type { PlainMetadata } from './metadata.js';

/** A protobuf message can't be longer: its parsers count bytes in a signed 32-bit integer. */
const LARGEST = 2 ** 31 - 1;

export interface SavedModelOptions {
  imgsz: readonly [height: number, width: number];
  batch: number;
  /** Kernels in float16, cast to float32 when the model runs: half the size, the same computation. */
  half: boolean;
  metadata: PlainMetadata;
}

/** @returns the files that were written, in the folder `dir` */
export function writeSavedModel(
  dir: string,
  spec: ModelSpec,
  weights: ReadonlyMap<string, NamedArray>,
  { imgsz, batch, half, metadata }: SavedModelOptions,
): string[] {
  const graph = inferenceGraph(spec, weights, { batch, imgsz });
  const message = savedModel(half ? withHalfWeights(graph) : graph, { signature: true });
  if (message.length > LARGEST)
    throw new UserError(
      'too-large',
      `the model takes ${(message.length / 2 ** 30).toFixed(1)} GB; a saved_model.pb holds 2 GB`,
      'half=true halves it',
      1,
    );
  mkdirSync(dir, { recursive: true });
  const [model, yaml] = [join(dir, 'saved_model.pb'), join(dir, 'metadata.yaml')];
  const file = openAtomic(model);
  try {
    for (const chunk of message.chunks) file.write(chunk);
    writeFileAtomic(yaml, dump(metadata));
    file.commit();
  } finally {
    file.abort();
  }
  return [model, yaml];
}

/** Each kernel as a float16 constant and a Cast under the old name. */
function withHalfWeights(graph: Graph): Graph {
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    const tensor = literalOf(node);
    if (!tensor || !isKernel(tensor)) return [node];
    const stored: GraphNode = {
      name: `${node.name}/float16`,
      op: 'Const',
      inputs: [],
      attrs: {
        dtype: { type: 'float16' },
        value: {
          tensor: { dtype: 'float16', shape: tensor.shape, values: floatToHalf(tensor.values as Float32Array) },
        },
      },
    };
    const attrs = { SrcT: { type: 'float16' }, DstT: { type: 'float32' }, Truncate: false } as const;
    return [stored, { name: node.name, op: 'Cast', inputs: [stored.name], attrs }];
  });
  return { ...graph, nodes };
}
