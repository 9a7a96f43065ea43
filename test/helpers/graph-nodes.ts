/** Small graphs for tests of sessions. */
import type { Attrs, ElementType, GraphNode } from '../../src/graph/graph.js';
import type { HostTensor, HostType } from '../../src/graph/host-tensor.js';

export const type = (dtype: ElementType) => ({ type: dtype });

export function placeholder(name: string, shape: number[], dtype: ElementType = 'float32'): GraphNode {
  return { name, op: 'Placeholder', inputs: [], attrs: { dtype: type(dtype), shape: { shape } } };
}

/** A node with attribute T. */
export function op(name: string, kind: string, inputs: string[], dtype: ElementType = 'float32', attrs: Attrs = {}) {
  return { name, op: kind, inputs, attrs: { T: type(dtype), ...attrs } };
}

export function constant(name: string, values: Float32Array | Int32Array, shape = [values.length]): GraphNode {
  const dtype = values instanceof Float32Array ? 'float32' : 'int32';
  return { name, op: 'Const', inputs: [], attrs: { dtype: type(dtype), value: { tensor: { dtype, shape, values } } } };
}

/** x [n, n] times itself, again and again, kept between −1 and 1: work that takes a while. @returns nodes, the last is 'y' */
export function longWork(rounds = 60): GraphNode[] {
  const nodes = [placeholder('x', [-1, -1])];
  for (let i = 0; i < rounds; i++) {
    const matrices = { transpose_a: false, transpose_b: false };
    nodes.push(op(`product/${i}`, 'MatMul', [nodes.at(-1)!.name, 'x'], 'float32', matrices));
    nodes.push(op(i === rounds - 1 ? 'y' : `tanh/${i}`, 'Tanh', [`product/${i}`]));
  }
  return nodes;
}

export function floats(shape: number[], ...values: number[]): HostTensor<'float32'> {
  return { dtype: 'float32', shape, data: Float32Array.from(values) };
}

export function matrix(n: number, value = 0.01): HostTensor<'float32'> {
  return { dtype: 'float32', shape: [n, n], data: new Float32Array(n * n).fill(value) };
}

export function plain({ dtype, shape, data }: HostTensor): [HostType, number[], (number | bigint)[]] {
  return [dtype, [...shape], Array.from(data as Iterable<number | bigint>)];
}
