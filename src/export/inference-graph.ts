/**
 * The network as a graph with its weights inside: what SavedModel and TensorFlow.js exports are written from. Nothing is
 * computed for it and no engine holds the weights: the network is traced with its parameters as inputs, and these are
 * then replaced by constants.
 */

import type { NamedArray } from '../core/types.js';
import type { Graph, GraphNode, Literal } from '../graph/graph.js';
import { type TensorSpec, trace } from '../graph/trace.js';
import type { Tree } from '../graph/tree.js';
import { decode } from '../nn/decode.js';
import { foldedArray, foldedParameters } from '../nn/fold.js';
import { oihwToHwio } from '../nn/layout.js';
import { buildNetwork, type Params } from '../nn/model.js';
import type { ModelSpec } from '../nn/model-yaml.js';

/** Name of the input [B, H, W, 3], RGB 0..1 float32, and of its node. */
export const INPUT = 'images';
/** Name of the output [B, 4 + K, A]: cx cy w h in pixels of the input, then K scores 0..1; and of its node. */
export const OUTPUT = 'output0';

const PARAMETERS = 'params';

/**
 * @param weights unfolded, as in a checkpoint
 * @returns a graph with the input `images` and the output `output0`; parameters are constants named as in a checkpoint,
 *   kernels HWIO, BatchNorm folded
 */
export function inferenceGraph(
  spec: ModelSpec,
  weights: ReadonlyMap<string, NamedArray>,
  { batch, imgsz: [height, width] }: { batch: number; imgsz: readonly [number, number] },
): Graph {
  const network = buildNetwork(spec);
  const parameters = foldedParameters(network.parameters);
  const params: Record<string, TensorSpec> = {};
  for (const { name, shape } of parameters) params[name] = { shape, dtype: 'float32' };
  const images: TensorSpec = { shape: [batch, height, width, 3], dtype: 'float32' };
  const specs: Tree<TensorSpec> = { [INPUT]: images, [PARAMETERS]: params as Record<string, Tree<TensorSpec>> };
  const traced = trace(
    (inputs: Inputs) => ({ [OUTPUT]: decode(network.forward(inputs.images, inputs.params)) }),
    specs,
    { integers: 'int32' }, // for other machines than this one
  );
  const shapes = new Map(parameters.map(({ name, shape }) => [`${PARAMETERS}/${name}`, shape]));
  const final = traced.outputs[0].node;
  const nodes = traced.nodes.map((node): GraphNode => {
    const shape = shapes.get(node.name);
    if (shape) return parameter(node.name.slice(PARAMETERS.length + 1), shape, weights);
    const inputs = node.inputs.map((input) => (shapes.has(input) ? input.slice(PARAMETERS.length + 1) : input));
    return { ...node, name: node.name === final ? OUTPUT : node.name, inputs };
  });
  return { nodes, inputs: [traced.inputs[0]], outputs: [{ ...traced.outputs[0], name: OUTPUT, node: OUTPUT }] };
}

type Inputs = { images: Parameters<ReturnType<typeof buildNetwork>['forward']>[0]; params: Params };

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

/** Number of a constant's values. */
export function sizeOf({ shape }: Literal): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Whether a constant is a convolution's kernel: nearly all of a model's size. */
export function isKernel({ dtype, shape }: Literal): boolean {
  return dtype === 'float32' && shape.length === 4;
}
