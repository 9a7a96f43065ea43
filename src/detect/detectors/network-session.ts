/**
 * The network in a session of TensorFlow. Weights are a variable of it; one graph, written down without tracing,
 * serves every batch, height and width. Runs leave JavaScript free, and wait for each other.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { GraphNode } from '../../graph/graph.js';
import { type HostTensor, valuesOf } from '../../graph/host-tensor.js';
import { type Plan, Session } from '../../graph/session.js';
import { type TensorSpec, trace } from '../../graph/trace.js';
import type { Tree } from '../../graph/tree.js';
import { Variables } from '../../graph/variables.js';
import { FlatWeights } from '../../nn/flat-weights.js';
import { foldedParameters } from '../../nn/fold.js';
import { levelsOf } from '../../nn/head.js';
import type { Network } from '../../nn/model.js';
import { INPUT, type NetworkGraph, networkGraph, OUTPUT } from '../../nn/network-graph.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import type { HostTensors, NetworkRunner, RunnerOptions, Tensors } from './network-runner.js';

/** Graphs with something after the head are of one shape each; a session slows down with every graph that it holds. */
const MAX_SHAPES = 16;

/** A graph with something after the head. */
interface Extended {
  plan: Plan;
  /** Names of what comes out beside the predictions. */
  names: string[];
}

export class NetworkSession<I extends Tensors, O extends Tensors> implements NetworkRunner<I, O> {
  private readonly weights: FlatWeights;
  private session!: Session;
  private variables!: Variables;
  private plan!: Plan;
  private readonly extended = new Map<string, Extended>();

  constructor(
    private readonly network: Network,
    private readonly options: RunnerOptions<I, O> & { maxShapes?: number },
  ) {
    this.weights = new FlatWeights(foldedParameters(network.parameters));
    this.open();
  }

  private open(): void {
    this.session = Session.open();
    this.variables = new Variables(this.session, [this.weights.variable]);
    this.session.add(this.graphOf().nodes);
    this.plan = this.session.plan({ name: 'the network', feeds: [INPUT], fetches: [OUTPUT] });
    this.extended.clear();
  }

  /** @param shape of the images; default: any */
  private graphOf(shape?: readonly [batch: number, height: number, width: number]): NetworkGraph {
    const { half, scale } = this.options;
    let nodes: Map<string, string> | undefined;
    const parameter: Parameters<typeof networkGraph>[1] = (list, name) => {
      nodes ??= this.weights.unpack(list);
      return nodes.get(name)!;
    };
    return networkGraph(this.network.spec, parameter, { shape, dtype: 'uint8', half, scale });
  }

  setWeights(values: (parameter: ParameterSpec) => Float32Array): void {
    const flat = this.weights.pack(values);
    this.variables.set(() => flat);
  }

  async run(images: HostTensor<'uint8'>): Promise<HostTensor<'float32'>> {
    return floats((await this.plan.runAsync([images]))[0]);
  }

  async runWith(images: HostTensor<'uint8'>, extra: HostTensors<I>) {
    const { plan, names } = this.extendedFor(images.shape, extra);
    const [output, ...rest] = await plan.runAsync([images, ...Object.values<HostTensor>(extra)]);
    const also = Object.fromEntries(names.map((name, i) => [name, rest[i]])) as HostTensors<O>;
    return { output: floats(output), also };
  }

  private extendedFor(shape: readonly number[], extra: HostTensors<I>): Extended {
    const given = Object.entries<HostTensor>(extra);
    const key = [shape, ...given.map(([name, tensor]) => `${name} ${tensor.dtype} ${tensor.shape}`)].join(';');
    const known = this.extended.get(key);
    if (known) return known;
    if (this.extended.size >= (this.options.maxShapes ?? MAX_SHAPES)) this.reopen();
    const made = this.extend(`shape${this.extended.size}`, shape as number[], given);
    this.extended.set(key, made);
    return made;
  }

  /** A fresh session with the same weights. */
  private reopen(): void {
    const values = this.variables.read();
    this.session.close();
    this.open();
    this.variables.set(({ name }) => values.get(name)!);
  }

  /** Adds the network's graph for images of this shape, and after it what `also` computes. */
  private extend(prefix: string, [b, h, w]: number[], extra: [string, HostTensor][]): Extended {
    const { spec } = this.network;
    const levels = levelsOf(h, w, spec.strides);
    const cells = levels.reduce((sum, [y, x]) => sum + y * x, 0);
    const { head, nodes } = this.graphOf([b, h, w]);
    const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
    const { boxHidden: _, nc } = spec.head.args;
    const specs = {
      boxes: float(b, cells, spec.head.outChannels - nc),
      scores: float(b, cells, nc),
      extra: Object.fromEntries(extra.map(([name, { shape, dtype }]) => [name, { shape: [...shape], dtype }])),
    };
    const traced = trace(
      (inputs) => {
        const { boxes, scores, extra } = inputs as unknown as { boxes: tf.Tensor3D; scores: tf.Tensor3D; extra: I };
        return this.options.also!({ boxes, scores, levels, strides: spec.strides }, extra);
      },
      specs as unknown as Tree<TensorSpec>,
    );
    const after = connected(traced.nodes, 'also/', new Map(Object.entries(head)));
    this.session.add([...nodes, ...after], { prefix });
    const fed = extra.map(([name]) => `${prefix}/also/extra/${name}`);
    const plan = this.session.plan({
      name: 'the network',
      feeds: [`${prefix}/${INPUT}`, ...fed],
      fetches: [`${prefix}/${OUTPUT}`, ...traced.outputs.map(({ node }) => `${prefix}/also/${node}`)],
    });
    return { plan, names: traced.outputs.map(({ name }) => name) };
  }

  dispose(): void {
    this.session.close();
  }
}

function floats(tensor: HostTensor): HostTensor<'float32'> {
  return { dtype: 'float32', shape: tensor.shape, data: valuesOf(tensor, 'float32') };
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
