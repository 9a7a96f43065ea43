/**
 * A TensorFlow graph as plain data: what tracing makes, what the protobuf writer and the exporters read.
 * Attributes stand as in a NodeDef, but without its wrapping: see `AttrValue`.
 */
import type { DataType } from '@tensorflow/tfjs-core';

/**
 * Element types that may occur inside a graph; tfjs' own tensors know only the first three. float16: stored weights only;
 * string: names in a checkpoint.
 */
export type ElementType = 'float32' | 'int32' | 'bool' | 'uint8' | 'int64' | 'bfloat16' | 'float16' | 'string';

/** Numbers of tensorflow/core/framework/types.proto. */
export const TYPE_NUMBER: Record<ElementType, number> = {
  float32: 1,
  int32: 3,
  uint8: 4,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
};

/** Names of the same file, as SavedModels and TensorFlow.js write them. */
export const TYPE_NAME: Record<ElementType, string> = {
  float32: 'DT_FLOAT',
  int32: 'DT_INT32',
  uint8: 'DT_UINT8',
  string: 'DT_STRING',
  int64: 'DT_INT64',
  bool: 'DT_BOOL',
  bfloat16: 'DT_BFLOAT16',
  float16: 'DT_HALF',
};

export type Values = Float32Array | Int32Array | Uint8Array;

/**
 * A literal tensor; `shape` [] is a scalar. `values` may hold one element that stands for all (as in a TensorProto);
 * float16 comes as its bits, all of them; int64 in an Int32Array.
 */
export interface Literal {
  dtype: ElementType;
  shape: number[];
  values: Values | Uint16Array;
}

/** A plain number is an integer, a list is a list of integers; what a plain value can't say has a key. */
export type AttrValue =
  | number
  | number[]
  | string
  | boolean
  | { type: ElementType }
  | { types: ElementType[] }
  | { float: number }
  | { shape: number[] }
  | { tensor: Literal }
  /** A scalar, or a vector, of strings as a tensor. */
  | { strings: string | string[] };

export type Attrs = Record<string, AttrValue>;

/** Inputs are names of nodes, `name:1` for an output other than the first, `^name` for one that has to run before. */
export interface GraphNode {
  name: string;
  op: string;
  inputs: string[];
  attrs: Attrs;
}

/** An input or output of a graph. `name` is what the caller calls it, `node` where it comes from or goes to. */
export interface Port {
  name: string;
  node: string;
  shape: number[];
  dtype: ElementType;
}

export interface Graph {
  /** In an order in which every node comes after its inputs; constants are nodes with op 'Const'. */
  nodes: GraphNode[];
  inputs: Port[];
  outputs: Port[];
}

/** Element type of a tensor of tfjs. @throws for strings and complex numbers, which no kernel here knows. */
export function elementType(dtype: DataType): ElementType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`tensors of type ${dtype} can't be part of a graph`);
}
