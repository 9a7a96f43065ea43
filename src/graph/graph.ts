/**
 * A TensorFlow graph as plain data: produced by tracing, consumed by the protobuf writer and the exporters. Attributes
 * correspond to those of a NodeDef in a shorter form, `AttrValue`.
 */
import type { DataType } from '@tensorflow/tfjs-core';

/**
 * Element types in a graph; tensors of tfjs have only the first three. float16: stored weights only; string: names in a
 * checkpoint.
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

/** Values of a constant. */
export type Values = Float32Array | Int32Array | Uint8Array;

/**
 * A constant tensor; `shape` [] is a scalar. `values` has all elements, or one element that is repeated (as in a
 * TensorProto); float16: all elements as bits; int64: an Int32Array.
 */
export interface Literal {
  dtype: ElementType;
  shape: number[];
  values: Values | Uint16Array;
}

/** Value of an attribute: a number is an integer, an array is a list of integers; other types have a key. */
export type AttrValue =
  | number
  | number[]
  | string
  | boolean
  | { type: ElementType }
  | { types: ElementType[] }
  | { texts: string[] }
  | { float: number }
  | { shape: number[] }
  | { tensor: Literal }
  /** A scalar, or a vector, of strings as a tensor. */
  | { strings: string | string[] };

/** Attributes by name. */
export type Attrs = Record<string, AttrValue>;

/** A node. Inputs are names of nodes, `name:1` for an output other than the first, `^name` for a control dependency. */
export interface GraphNode {
  name: string;
  op: string;
  inputs: string[];
  attrs: Attrs;
}

/** An input or output of a graph. `name` is the caller's name for it, `node` the name of the node. */
export interface Port {
  name: string;
  node: string;
  shape: number[];
  dtype: ElementType;
}

/** A graph with its inputs and outputs. */
export interface Graph {
  /** In topological order; constants are nodes with op 'Const'. */
  nodes: GraphNode[];
  inputs: Port[];
  outputs: Port[];
}

/** Element type of a tensor of tfjs. @throws Error for strings and complex numbers, which are not supported */
export function elementType(dtype: DataType): ElementType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`tensors of type ${dtype} can't be part of a graph`);
}
