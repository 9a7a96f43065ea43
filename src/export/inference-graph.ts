/**
 * The network as a graph with its weights inside: what SavedModel and TensorFlow.js exports are written from. Nothing is
 * computed for it and no engine holds the weights: the network is traced with its parameters as inputs, and these are
 * then replaced by constants.
 */
import type { ModelSpec } from '../cfg/model-yaml.js';
import type { NamedArray } from '../core/types.js';
import type { Graph, GraphNode, Literal } from '../graph/graph.js';
import { type TensorSpec, trace } from '../graph/trace.js';
import type { Tree } from '../graph/tree.js';
import { foldBatchNorm, foldedParameters } from '../nn/fold.js';
import { decode } from '../nn/head.js';
import { oihwToHwio } from '../nn/layout.js';
import { buildNetwork, type Params } from '../nn/model.js';

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
  );
  const constants = folded(weights);
  const shapes = new Map(parameters.map(({ name, shape }) => [`${PARAMETERS}/${name}`, shape]));
  const final = traced.outputs[0].node;
  const nodes = traced.nodes.map((node): GraphNode => {
    const shape = shapes.get(node.name);
    if (shape) return constant(node.name.slice(PARAMETERS.length + 1), shape, constants);
    const inputs = node.inputs.map((input) => (shapes.has(input) ? input.slice(PARAMETERS.length + 1) : input));
    return { ...node, name: node.name === final ? OUTPUT : node.name, inputs };
  });
  return { nodes, inputs: [traced.inputs[0]], outputs: [{ ...traced.outputs[0], name: OUTPUT, node: OUTPUT }] };
}

type Inputs = { images: Parameters<ReturnType<typeof buildNetwork>['forward']>[0]; params: Params };

/** Folded weights that are let go of one by one: at no time there are three copies of all. */
function folded(weights: ReadonlyMap<string, NamedArray>): (name: string) => NamedArray {
  const left = foldBatchNorm(weights);
  return (name) => {
    const array = left.get(name);
    if (!array) throw new Error(`the weights have no '${name}'`);
    left.delete(name);
    return array;
  };
}

function constant(name: string, shape: number[], take: (name: string) => NamedArray): GraphNode {
  const array = take(name);
  const values = shape.length === 4 ? oihwToHwio(array.data, shape) : array.data;
  const tensor = { dtype: 'float32' as const, shape, values };
  return { name, op: 'Const', inputs: [], attrs: { dtype: { type: 'float32' }, value: { tensor } } };
}

/** The tensor that a Const node holds; undefined for other nodes. */
export function literalOf({ op, attrs: { value } }: GraphNode): Literal | undefined {
  return op === 'Const' && typeof value === 'object' && 'tensor' in value ? value.tensor : undefined;
}

/** Whether a constant is a convolution's kernel: nearly all of a model's size. */
export function isKernel({ dtype, shape }: Literal): boolean {
  return dtype === 'float32' && shape.length === 4;
}
