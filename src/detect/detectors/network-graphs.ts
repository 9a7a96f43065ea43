/**
 * Traced graphs, each for one input shape: additional computations after the head of the network's graph
 * (nn/network-graph.ts, which is not traced), and test-time augmentation.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { GraphNode } from '../../graph/graph.js';
import type { HostTensor } from '../../graph/host-tensor.js';
import { NodeList } from '../../graph/node-list.js';
import { type TensorSpec, trace } from '../../graph/trace.js';
import type { Tree } from '../../graph/tree.js';
import type { FlatWeights } from '../../nn/flat-weights.js';
import { forward } from '../../nn/forward.js';
import { levelsOf } from '../../nn/head.js';
import type { Network, Params } from '../../nn/model.js';
import { CANDIDATE_IMAGES, CANDIDATES, INPUT, MIN_SCORE, type NetworkGraph } from '../../nn/network-graph.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import { predictAugmented } from '../tta.js';
import type { Also, RunnerOptions, Tensors } from './network-runner.js';

/** A graph for one input shape. */
export interface ShapedGraph {
  nodes: GraphNode[];
  /** Nodes that are fed, beginning with the images, and fetched, beginning with the predictions or candidates. */
  feeds: string[];
  fetches: string[];
  /** Names of the outputs after the predictions. */
  names: string[];
}

type Shape = readonly [batch: number, height: number, width: number];

/**
 * The network's graph, with candidates, for one input shape, followed by the computations of `also`.
 * @param extra inputs of `also`
 */
export function graphWithHead<I extends Tensors, O extends Tensors>(
  { spec }: Network,
  { head, nodes }: NetworkGraph,
  [b, h, w]: Shape,
  extra: [string, HostTensor][],
  also: Also<I, O>,
): ShapedGraph {
  const levels = levelsOf(h, w, spec.strides);
  const cells = levels.reduce((sum, [y, x]) => sum + y * x, 0);
  const { boxHidden: _, nc } = spec.head.args;
  const specs = {
    boxes: float(b, cells, spec.head.outChannels - nc),
    scores: float(b, cells, nc),
    extra: Object.fromEntries(extra.map(([name, { shape, dtype }]) => [name, { shape: [...shape], dtype }])),
  };
  const traced = trace(
    (inputs) => {
      const { boxes, scores, extra } = inputs as unknown as { boxes: tf.Tensor3D; scores: tf.Tensor3D; extra: I };
      return also({ boxes, scores, levels, strides: spec.strides }, extra);
    },
    specs as unknown as Tree<TensorSpec>,
  );
  return {
    nodes: [...nodes, ...connected(traced.nodes, 'also/', new Map(Object.entries(head)))],
    feeds: [INPUT, MIN_SCORE, ...extra.map(([name]) => `also/extra/${name}`)],
    fetches: [CANDIDATES, CANDIDATE_IMAGES, ...traced.outputs.map(({ node }) => `also/${node}`)],
    names: traced.outputs.map(({ name }) => name),
  };
}

/** The network with test-time augmentation. @param parameters those of `weights` */
export function augmentedGraph(
  network: Network,
  weights: FlatWeights,
  parameters: readonly ParameterSpec[],
  [b, h, w]: Shape,
  { half, scale }: Pick<RunnerOptions<Tensors, Tensors>, 'half' | 'scale'>,
): ShapedGraph {
  const { spec } = network;
  const params = Object.fromEntries(parameters.map(({ name, shape }) => [name, float(...shape)]));
  const traced = trace(
    (inputs) => {
      const { images, params } = inputs as unknown as { images: tf.Tensor; params: Params };
      const x = tf.mul(images, scale) as tf.Tensor4D;
      return predictAugmented(x, (input) => forward(network, input, params), spec.stride);
    },
    { images: { shape: [b, h, w, spec.channels], dtype: 'uint8' }, params } as unknown as Tree<TensorSpec>,
    { half },
  );
  const list = new NodeList();
  const pieces = weights.unpack(list);
  const inputs = traced.inputs.filter(({ name }) => name !== 'images');
  const sources = inputs.map(({ name, node }): [string, string] => [node, pieces.get(name.slice('params/'.length))!]);
  const prefix = 'augmented/';
  return {
    nodes: [...list.nodes, ...connected(traced.nodes, prefix, new Map(sources))],
    feeds: [`${prefix}images`],
    fetches: traced.outputs.map(({ node }) => prefix + node),
    names: [],
  };
}

function float(...shape: number[]): TensorSpec {
  return { shape, dtype: 'float32' };
}

/**
 * Connects a graph to the nodes of another one.
 * @param prefix of the names of its nodes
 * @param sources nodes of the other graph by the name of the placeholder that they replace
 */
function connected(nodes: readonly GraphNode[], prefix: string, sources: ReadonlyMap<string, string>): GraphNode[] {
  const renamed = (ref: string): string => {
    if (ref.startsWith('^')) return `^${prefix}${ref.slice(1)}`;
    return sources.get(ref) ?? prefix + ref;
  };
  return nodes
    .filter(({ name }) => !sources.has(name))
    .map((node) => ({ ...node, name: prefix + node.name, inputs: node.inputs.map(renamed) }));
}
