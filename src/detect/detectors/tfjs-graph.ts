/**
 * Converts a TensorFlow.js GraphModel to a graph for a TensorFlow session. Its topology is a GraphDef in protobuf's JSON
 * mapping (integers as strings, strings in base64); the values of its constants are concatenated in the shards.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { io } from '@tensorflow/tfjs-core';
import {
  type Attrs,
  type AttrValue,
  type ElementType,
  type GraphNode,
  type Literal,
  TYPE_NAME,
} from '../../graph/graph.js';
import type { Session } from '../../graph/session.js';
import { handle, read, type Variable, Variables } from '../../graph/variables.js';
import { halfToFloat } from '../../io/half.js';
import { sizeOf } from '../../nn/parameters.js';

/** A node in the topology. */
interface NodeJson {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, AttrJson>;
}

interface AttrJson {
  s?: string;
  i?: string | number;
  f?: number;
  b?: boolean;
  type?: string;
  shape?: ShapeJson;
  list?: { i?: (string | number)[]; s?: string[]; type?: string[] };
}

interface ShapeJson {
  dim?: { size: string | number }[];
}

/** Smaller weights become constants, which allows constant folding; larger ones become variables. */
const MIN_VARIABLE = 1024;

/**
 * Adds the graph to a session and initialises its variables.
 * @param shards paths of the weights
 * @throws Error when weights are missing or have an unsupported type
 */
export function addGraphModel(session: Session, json: io.ModelJSON, shards: readonly string[]): void {
  const weights = readWeights(json.weightsManifest, shards);
  const large = (weight: Literal) => weight.dtype === 'float32' && weight.values.length >= MIN_VARIABLE;
  const variables: Variable[] = [];
  const nodes = (json.modelTopology as { node: NodeJson[] }).node.flatMap((node): GraphNode[] => {
    const weight = weights.get(node.name);
    if (node.op !== 'Const') return plainNodes(node);
    if (!weight) throw new Error(`the weights have no '${node.name}'`);
    if (!large(weight)) return [constant(node.name, weight)];
    const variable = { name: node.name, shape: weight.shape };
    variables.push(variable);
    return [handle(`${node.name}/handle`, variable), read(node.name, `${node.name}/handle`)];
  });
  session.add(nodes);
  if (variables.length === 0) return;
  new Variables(session, variables).set(({ name }) => weights.get(name)!.values as Float32Array);
}

function constant(name: string, tensor: Literal): GraphNode {
  return { name, op: 'Const', inputs: [], attrs: { dtype: { type: tensor.dtype }, value: { tensor } } };
}

/** Fused convolutions of TensorFlow.js, and their first op. */
const FUSED: Record<string, string> = {
  _FusedConv2D: 'Conv2D',
  FusedDepthwiseConv2dNative: 'DepthwiseConv2dNative',
};

/** @returns the node, or the separate ops of a fused convolution: the fused ops are internal to TensorFlow's optimiser */
function plainNodes({ name, op, input: inputs = [], attr = {} }: NodeJson): GraphNode[] {
  const attrs: Attrs = {};
  for (const [key, value] of Object.entries(attr)) {
    const plain = key.startsWith('_') ? undefined : attrOf(value);
    if (plain !== undefined) attrs[key] = plain;
  }
  const convOp = FUSED[op];
  if (!convOp) return [{ name, op, inputs, attrs }];
  const { T, strides, padding, dilations, data_format, explicit_paddings = [] } = attrs;
  const convAttrs = { T, strides, padding, dilations, data_format, explicit_paddings };
  const conv = { name: `${name}/${convOp}`, op: convOp, inputs: inputs.slice(0, 2), attrs: convAttrs };
  const chain: GraphNode[] = [conv];
  const after = (attr.fused_ops?.list?.s ?? []).map((s) => Buffer.from(s, 'base64').toString());
  for (const [i, next] of after.entries()) {
    const args = next === 'BiasAdd' ? [inputs[2]] : [];
    const own: Attrs = next === 'BiasAdd' ? { T, data_format } : { T };
    const last = i === after.length - 1;
    chain.push({ name: last ? name : `${name}/${next}`, op: next, inputs: [chain[i].name, ...args], attrs: own });
  }
  return chain;
}

function attrOf({ s, i, f, b, type, shape, list }: AttrJson): AttrValue | undefined {
  if (s !== undefined) return Buffer.from(s, 'base64').toString();
  if (i !== undefined) return Number(i);
  if (f !== undefined) return { float: f };
  if (b !== undefined) return b;
  if (type !== undefined) return { type: typeOf(type) };
  if (shape !== undefined) return { shape: (shape.dim ?? []).map(({ size }) => Number(size)) };
  if (list?.type?.length) return { types: list.type.map(typeOf) };
  return list && !list.s?.length ? (list.i ?? []).map(Number) : undefined;
}

function typeOf(name: string): ElementType {
  const found = Object.entries(TYPE_NAME).find(([, known]) => known === name)?.[0];
  if (found) return found as ElementType;
  throw new Error(`the element type ${name} is not supported`);
}

function readWeights(manifest: io.WeightsManifestConfig, shards: readonly string[]): Map<string, Literal> {
  const files = new Shards(shards);
  try {
    const entries = manifest.flatMap(({ weights }) => weights);
    return new Map(entries.map((entry) => [entry.name, literalOf(entry, files.take(bytesOf(entry)))]));
  } finally {
    files.close();
  }
}

/** @returns number of bytes of a weight in the shards */
export function bytesOf(entry: io.WeightsManifestEntry): number {
  return sizeOf(entry) * (BYTES[entry.quantization?.dtype ?? entry.dtype] ?? 4);
}

const BYTES: Record<string, number> = { bool: 1, uint8: 1, uint16: 2, float16: 2 };

function literalOf(
  { name, shape, dtype, quantization }: io.WeightsManifestEntry,
  bytes: Uint8Array<ArrayBuffer>,
): Literal {
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
    throw new Error(`weight '${name}' is of type ${dtype}`);
  const { buffer } = bytes;
  const array = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  if (!quantization) return { dtype, shape, values: new array(buffer) };
  if (quantization.dtype === 'float16') return { dtype, shape, values: halfToFloat(new Uint16Array(buffer)) };
  const { scale = 1, min = 0 } = quantization;
  const steps = quantization.dtype === 'uint8' ? bytes : new Uint16Array(buffer);
  const values = new array(steps.length);
  for (let i = 0; i < values.length; i++)
    values[i] = dtype === 'int32' ? Math.round(steps[i] * scale + min) : steps[i] * scale + min;
  return { dtype, shape, values };
}

/** The concatenated shards, read from start to end. */
class Shards {
  private fd: number | undefined;
  private next = 0;

  constructor(private readonly paths: readonly string[]) {}

  take(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      this.fd ??= openSync(this.paths[this.next++], 'r');
      const got = readSync(this.fd, bytes, at, count - at, null);
      if (got === 0) this.close();
      at += got;
    }
    return bytes;
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}
