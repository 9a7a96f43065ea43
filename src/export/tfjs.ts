/**
 * format=tfjs: a GraphModel, which tf.loadGraphModel takes on every backend of TensorFlow.js. model.json holds the graph
 * as JSON (the protobuf's own JSON mapping: integers as strings, strings and bytes in base64) and the list of weights; the
 * weights follow one another in shards of 4 MB, which browsers cache.
 * Input `images` [B, H, W, 3] float32 RGB 0..1, output `output0` [B, 4 + K, A].
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedArray } from '../core/types.js';
import { type Graph, type GraphNode, type Literal, type Port, TYPE_NAME } from '../graph/graph.js';
import { type AtomicFile, openAtomic, writeFileAtomic } from '../io/files.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { sizeOf } from '../nn/parameters.js';
import { inferenceGraph, literalOf } from './inference-graph.js';
import type { PlainMetadata } from './metadata.js';
import { forTfjs, nodeJson, shapeJson } from './tfjs-graph.js';
import { type Encoded, encodeWeight, inEightBits, storedAs, type WeightType } from './tfjs-weights.js';

/** What tfjs' own converter uses. */
const SHARD_BYTES = 4 * 2 ** 20;
export const SHARD_NAME = /^group1-shard\d+of\d+\.bin$/;

export interface TfjsOptions {
  imgsz: readonly [height: number, width: number];
  batch: number;
  /** How kernels are stored; in memory they are float32 again. */
  weights: WeightType;
  metadata: PlainMetadata;
  version: string;
}

/** @returns the files that were written, in the folder `dir`: model.json, then the shards */
export function writeTfjs(
  dir: string,
  spec: ModelSpec,
  weights: ReadonlyMap<string, NamedArray>,
  { imgsz, batch, weights: type, metadata, version }: TfjsOptions,
): string[] {
  const plain = inferenceGraph(spec, weights, { batch, imgsz });
  const graph = forTfjs(type === 'uint8' ? inEightBits(plain) : plain);
  mkdirSync(dir, { recursive: true });
  const { entries, shards } = writeShards(dir, graph, type);
  const model = join(dir, 'model.json');
  const json = {
    format: 'graph-model',
    generatedBy: 'yolov8-tfjs',
    convertedBy: `yolov8-tfjs ${version}`,
    signature: { inputs: ports(graph.inputs), outputs: ports(graph.outputs) },
    userDefinedMetadata: metadata,
    modelTopology: { node: graph.nodes.map(nodeJson), library: {}, versions: { producer: 1987 } },
    weightsManifest: [{ paths: shards, weights: entries }],
  };
  writeFileAtomic(model, JSON.stringify(json));
  return [model, ...shards.map((name) => join(dir, name))];
}

function ports(list: readonly Port[]) {
  return Object.fromEntries(
    list.map(({ name, node, dtype, shape }) => [
      name,
      { name: `${node}:0`, dtype: TYPE_NAME[dtype], tensorShape: shapeJson(shape) },
    ]),
  );
}

/** Writes all constants one after the other. @returns their places in the manifest, and the names of the files */
function writeShards(dir: string, { nodes }: Graph, type: WeightType): { entries: object[]; shards: string[] } {
  const constants = nodes.flatMap((node): [GraphNode, Literal][] => {
    const literal = literalOf(node);
    return literal ? [[node, literal]] : [];
  });
  const total = constants.reduce((sum, [, literal]) => sum + bytesOf(literal, storedAs(literal, type)), 0);
  const count = Math.max(1, Math.ceil(total / SHARD_BYTES));
  const shards = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const out = new ShardWriter(shards.map((name) => join(dir, name)));
  try {
    const entries = constants.map(([{ name }, literal]) => {
      const { bytes, entry }: Encoded = encodeWeight(literal, storedAs(literal, type));
      out.write(bytes);
      return { name, ...entry };
    });
    out.end();
    return { entries, shards };
  } finally {
    out.abort();
  }
}

function bytesOf(literal: Literal, type: WeightType): number {
  return sizeOf(literal) * { float32: 4, float16: 2, uint8: 1 }[type];
}

/** A stream of bytes over files of 4 MB. */
class ShardWriter {
  private readonly paths: string[];
  private file: AtomicFile | undefined;

  constructor(paths: string[]) {
    this.paths = [...paths];
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.file && this.file.size === SHARD_BYTES) this.end();
      this.file ??= openAtomic(this.paths.shift()!);
      const part = bytes.subarray(at, at + SHARD_BYTES - this.file.size);
      this.file.write(part);
      at += part.length;
    }
  }

  end(): void {
    this.file?.commit();
    this.file = undefined;
  }

  abort(): void {
    this.file?.abort();
  }
}
