/**
 * Graphs of the network that are traced, for images of one shape each: what comes after the head of a network that was written
 * down (network-graph.ts), and the three scales of test-time augmentation.
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
import { INPUT, type NetworkGraph, OUTPUT } from '../../nn/network-graph.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import { mergedScales } from '../tta.js';
import type { Also, RunnerOptions, Tensors } from './network-runner.js';

export interface ShapedGraph {
  nodes: GraphNode[];
  /** What is fed and fetched, the images and the predictions first. */
  feeds: string[];
  fetches: string[];
  /** Names of what comes out beside the predictions. */
  names: string[];
}

type Shape = readonly [batch: number, height: number, width: number];

/** The network's graph for images of this shape, and after it what `also` computes. @param extra inputs of `also` */
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
    feeds: [INPUT, ...extra.map(([name]) => `also/extra/${name}`)],
    fetches: [OUTPUT, ...traced.outputs.map(({ node }) => `also/${node}`)],
    names: traced.outputs.map(({ name }) => name),
  };
}

/** The network at the scales of test-time augmentation. @param parameters those of `weights` */
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
      return mergedScales(x, (input) => forward(network, input, params), spec.stride);
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
 * A graph that goes on from another one.
 * @param prefix in front of the names of its nodes @param sources nodes of the other graph by the placeholder that they replace
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
