/**
 * The network as a graph with its weights inside: what SavedModel and TensorFlow.js exports are written from. Nothing is
 * computed for it and no engine holds the weights.
 */
import type { NamedArray } from '../core/types.js';
import type { Graph, GraphNode, Literal } from '../graph/graph.js';
import { foldedArray } from '../nn/fold.js';
import { oihwToHwio } from '../nn/layout.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { networkGraph } from '../nn/network-graph.js';

/**
 * @param weights unfolded, as in a checkpoint
 * @returns a graph with the input `images` (float32 0..1) and the output `output0`; parameters are constants named as in a
 *   checkpoint, kernels HWIO, BatchNorm folded
 */
export function inferenceGraph(
  spec: ModelSpec,
  weights: ReadonlyMap<string, NamedArray>,
  { batch, imgsz: [height, width] }: { batch: number; imgsz: readonly [number, number] },
): Graph {
  return networkGraph(spec, (list, name, shape) => list.push(parameter(name, shape, weights)), {
    shape: [batch, height, width],
  });
}

/** The folded parameter, computed when it is asked for: writers take one after the other, so only one is in memory. */
function parameter(name: string, shape: number[], weights: ReadonlyMap<string, NamedArray>): GraphNode {
  return lazyConstant(name, shape, () => {
    const array = foldedArray(weights, name);
    if (!array) throw new Error(`the weights have no '${name}'`);
    return shape.length === 4 ? oihwToHwio(array.data, shape) : array.data;
  });
}

/** A float32 Const node whose values are computed each time they are asked for. */
export function lazyConstant(name: string, shape: number[], compute: () => Float32Array): GraphNode {
  const tensor: Literal = {
    dtype: 'float32',
    shape,
    get values() {
      return compute();
    },
  };
  return { name, op: 'Const', inputs: [], attrs: { dtype: { type: 'float32' }, value: { tensor } } };
}

/** The tensor that a Const node holds; undefined for other nodes. */
export function literalOf({ op, attrs: { value } }: GraphNode): Literal | undefined {
  return op === 'Const' && typeof value === 'object' && 'tensor' in value ? value.tensor : undefined;
}

/** Whether a node of `inferenceGraph` is a parameter of the network: those have the names of a checkpoint. */
export function isParameter({ name, op }: GraphNode): boolean {
  return op === 'Const' && name.startsWith('model.');
}

/** Whether a constant is a convolution's kernel: nearly all of a model's size. */
export function isKernel({ dtype, shape }: Literal): boolean {
  return dtype === 'float32' && shape.length === 4;
}
