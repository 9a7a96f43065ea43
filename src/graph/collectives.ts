/**
 * Collective operations: every worker of a cluster runs the same ones in the same order, and each waits for all others
 * (tensorflow/core/ops/collective_ops.cc). TensorFlow finds those that belong together by a number, the instance key.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Attrs, ElementType, GraphNode } from './graph.js';
import { defineOp } from './raw.js';
import { handle, read, type Variable } from './variables.js';

/** The workers that take part. */
export interface Workers {
  /** Number of workers. */
  size: number;
  /** Index of this one. */
  index: number;
  /** Seconds that an operation waits for the other workers. */
  timeout: number;
}

const FLOAT = { type: 'float32' } as const;
const INT32 = { type: 'int32' } as const;
/** The only group of workers is all of them. */
const GROUP = 1;

interface KeyAttrs {
  size: number;
  key: number;
  timeout: number;
}

const allReduce = defineOp<'x', KeyAttrs>({
  name: 'AllReduce',
  inputs: ['x'],
  kernel(emit, { x }, { size, key, timeout }) {
    const inputs = [x, ...[size, GROUP, key].map((n) => emit.ints(n))];
    return emit.op('CollectiveReduceV2', inputs, reduceAttrs(timeout, 'float32'), x.shape);
  },
});

/** Adds up a tensor over all workers, in a traced function; not differentiable. @param key instance key */
export function sumOverWorkers<T extends tf.Tensor>(x: T, { size, timeout }: Workers, key: number): T {
  return allReduce({ x }, { size, key, timeout })[0] as T;
}

/** Makes the collective operations of a traced graph run in the order of its nodes, which all workers have alike. */
export function inOrder(nodes: readonly GraphNode[]): GraphNode[] {
  let last: string | undefined;
  return nodes.map((node) => {
    if (!node.op.startsWith('Collective')) return node;
    const inputs = last === undefined ? node.inputs : [...node.inputs, `^${last}`];
    last = node.name;
    return { ...node, inputs };
  });
}

/**
 * Nodes that set variables to the values that the first worker has.
 * @param key instance key of the first variable; each takes one
 * @returns the nodes, and those that are to be run
 */
export function broadcastVariables(
  variables: readonly Variable[],
  workers: Workers,
  key: number,
): { nodes: GraphNode[]; targets: string[] } {
  const { index, size, timeout } = workers;
  const nodes: GraphNode[] = [];
  const targets: string[] = [];
  variables.forEach((variable, i) => {
    const name = `broadcast/${i}`;
    const ints = (what: string, values: number[], shape: number[]): string => {
      nodes.push(constant(`${name}/${what}`, values, shape));
      return `${name}/${what}`;
    };
    const keys = [ints('size', [size], []), ints('group', [GROUP], []), ints('key', [key + i], [])];
    const after = targets.length > 0 ? [`^${targets[targets.length - 1]}`] : [];
    const attrs = { T: FLOAT, communication_hint: 'auto', timeout_seconds: { float: timeout } };
    nodes.push(handle(`${name}/handle`, variable));
    if (index === 0) {
      nodes.push(read(`${name}/value`, `${name}/handle`));
      nodes.push({ name, op: 'CollectiveBcastSendV2', inputs: [`${name}/value`, ...keys, ...after], attrs });
      targets.push(name);
      return;
    }
    const shape = ints('shape', variable.shape, [variable.shape.length]);
    const received = `${name}/received`;
    const inputs = [...keys, shape, ...after];
    nodes.push({ name: received, op: 'CollectiveBcastRecvV2', inputs, attrs: { ...attrs, Tshape: INT32 } });
    nodes.push({
      name,
      op: 'AssignVariableOp',
      inputs: [`${name}/handle`, received],
      attrs: { dtype: FLOAT, validate_shape: true },
    });
    targets.push(name);
  });
  return { nodes, targets };
}

/** Nodes that add up, over all workers, the int32 vector `x` of n numbers to `sum`. */
export function sumInts(x: string, sum: string, n: number, workers: Workers, key: number): GraphNode[] {
  const { keys, nodes } = keyNodes(sum, workers, key);
  return [
    { name: x, op: 'Placeholder', inputs: [], attrs: { dtype: INT32, shape: { shape: [n] } } },
    ...nodes,
    { name: sum, op: 'CollectiveReduceV2', inputs: [x, ...keys], attrs: reduceAttrs(workers.timeout, 'int32') },
  ];
}

/** Nodes that gather the int32 vectors `x` [1, n] of all workers as `all` [workers, n]. */
export function gatherInts(x: string, all: string, n: number, workers: Workers, key: number): GraphNode[] {
  const { keys, nodes } = keyNodes(all, workers, key);
  const { merge_op, final_op, max_subdivs_per_device, ...attrs } = reduceAttrs(workers.timeout, 'int32');
  return [
    { name: x, op: 'Placeholder', inputs: [], attrs: { dtype: INT32, shape: { shape: [1, n] } } },
    ...nodes,
    { name: all, op: 'CollectiveGatherV2', inputs: [x, ...keys], attrs },
  ];
}

function keyNodes(prefix: string, { size }: Workers, key: number): { keys: string[]; nodes: GraphNode[] } {
  const nodes = [size, GROUP, key].map((value, i) => constant(`${prefix}/${['size', 'group', 'key'][i]}`, [value], []));
  return { keys: nodes.map(({ name }) => name), nodes };
}

function reduceAttrs(timeout: number, type: ElementType): Attrs {
  return {
    T: { type },
    merge_op: 'Add',
    final_op: 'Id',
    communication_hint: 'auto',
    timeout_seconds: { float: timeout },
    is_stateless: false,
    Nordering_token: 0,
    max_subdivs_per_device: -1,
  };
}

function constant(name: string, values: number[], shape: number[]): GraphNode {
  const tensor = { dtype: 'int32' as const, shape, values: Int32Array.from(values) };
  return { name, op: 'Const', inputs: [], attrs: { dtype: INT32, value: { tensor } } };
}
