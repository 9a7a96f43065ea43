/**
 * The network in a TensorFlow session. The weights are a variable of the session; one graph, built without tracing, serves
 * all batch sizes and input sizes. Runs do not block the JavaScript thread and are executed one after the other.
 */
import { type HostTensor, valuesOf } from '../../graph/host-tensor.js';
import { type Plan, Session } from '../../graph/session.js';
import { loadedTensorflow } from '../../graph/tensorflow.js';
import { Variables } from '../../graph/variables.js';
import { FlatWeights } from '../../nn/flat-weights.js';
import { foldedParameters } from '../../nn/fold.js';
import type { Network } from '../../nn/model.js';
import {
  CANDIDATE_IMAGES,
  CANDIDATES,
  INPUT,
  MIN_SCORE,
  type NetworkGraph,
  networkGraph,
  OUTPUT,
} from '../../nn/network-graph.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import type { ShapedGraph } from './network-graphs.js';
import type { Candidates, HostTensors, NetworkRunner, RunnerOptions, RunOptions, Tensors } from './network-runner.js';

/**
 * Threads that start the ops on a GPU: they only enqueue work, and handing it from thread to thread takes longer (on an H100 an
 * image of 640 pixels takes 5 to 7 ms with one, 7.5 ms with TensorFlow's number).
 */
const GPU_THREADS = 1;
/** Maximum number of traced graphs, one for each shape: each graph makes the session slower. */
const MAX_SHAPES = 16;

/** A traced graph. */
interface Shaped {
  plan: Plan;
  /** Names of the outputs after the predictions. */
  names: string[];
}

/** Tracing needs TensorFlow.js, which is loaded on first use. */
type Tracing = typeof import('./network-graphs.js');

/** Runs the network in a session. */
export class NetworkSession<I extends Tensors, O extends Tensors> implements NetworkRunner<I, O> {
  private readonly parameters: ParameterSpec[];
  private readonly weights: FlatWeights;
  private session!: Session;
  private variables!: Variables;
  /** For all shapes; undefined with test-time augmentation. */
  private plan?: Plan;
  /** The same, for `runAbove`. */
  private selecting?: Plan;
  private readonly shaped = new Map<string, Shaped>();
  private readonly running = new Set<Promise<unknown>>();

  readonly runAbove: NetworkRunner<I, O>['runAbove'];

  constructor(
    private readonly network: Network,
    private readonly options: RunnerOptions<I, O> & { maxShapes?: number },
  ) {
    this.parameters = foldedParameters(network.parameters);
    this.weights = new FlatWeights(this.parameters);
    this.open();
    if (this.selecting) this.runAbove = this.select.bind(this);
  }

  private open(): void {
    const graph = this.options.augment ? undefined : this.graphOf();
    this.session = Session.open({
      maxWaiting: this.options.maxWaiting,
      atOnce: this.options.atOnce,
      interThreads: loadedTensorflow()?.gpu ? GPU_THREADS : undefined,
      rewriter: !graph?.allFused, // it takes longer than the first image
    });
    this.variables = new Variables(this.session, [this.weights.variable]);
    this.shaped.clear();
    if (!graph) return;
    this.session.add(graph.nodes);
    this.plan = this.session.plan({ name: 'the network', feeds: [INPUT], fetches: [OUTPUT] });
    this.selecting = this.session.plan({
      name: 'the network',
      feeds: [INPUT, MIN_SCORE],
      fetches: [CANDIDATES, CANDIDATE_IMAGES],
    });
  }

  /** @param shape of the images; default: any */
  private graphOf(shape?: readonly [batch: number, height: number, width: number]): NetworkGraph {
    const { half, scale } = this.options;
    let nodes: Map<string, string> | undefined;
    const parameter: Parameters<typeof networkGraph>[1] = (list, name) => {
      nodes ??= this.weights.unpack(list);
      return nodes.get(name)!;
    };
    return networkGraph(this.network.spec, parameter, {
      shape,
      dtype: 'uint8',
      half,
      scale,
      withCandidates: true,
      fused: !half && loadedTensorflow()?.onednn, // the op takes no bfloat16
      winograd: loadedTensorflow()?.winograd,
      products: loadedTensorflow()?.products,
    });
  }

  setWeights(values: (parameter: ParameterSpec) => Float32Array): void {
    const flat = this.weights.pack(values);
    this.variables.set(() => flat);
  }

  async run(images: HostTensor<'uint8'>, options?: RunOptions): Promise<HostTensor<'float32'>> {
    const plan = this.plan ?? this.augmentedFor(await tracing(), images.shape).plan;
    return floats((await this.outcome(plan.runAsync([images], options)))[0]);
  }

  private async select(images: HostTensor<'uint8'>, minScore: number, options?: RunOptions): Promise<Candidates> {
    const [rows, of] = await this.outcome(this.selecting!.runAsync([images, scalar(minScore)], options));
    return candidates(rows, of);
  }

  async runWith(images: HostTensor<'uint8'>, extra: HostTensors<I>, minScore: number) {
    const { plan, names } = this.extendedFor(await tracing(), images.shape, extra);
    const feeds = [images, scalar(minScore), ...Object.values<HostTensor>(extra)];
    const [rows, of, ...rest] = await this.outcome(plan.runAsync(feeds));
    const also = Object.fromEntries(names.map((name, i) => [name, rest[i]])) as HostTensors<O>;
    return { found: candidates(rows, of), also };
  }

  /** Records a run until it ends: a session must not be closed before. */
  private outcome<T>(run: Promise<T>): Promise<T> {
    this.running.add(run);
    const over = () => void this.running.delete(run);
    run.then(over, over);
    return run;
  }

  private augmentedFor({ augmentedGraph }: Tracing, shape: readonly number[]): Shaped {
    const { network, weights, parameters, options } = this;
    return this.shapedFor(`${shape}`, () => augmentedGraph(network, weights, parameters, sizes(shape), options));
  }

  private extendedFor({ graphWithHead }: Tracing, shape: readonly number[], extra: HostTensors<I>): Shaped {
    const given = Object.entries<HostTensor>(extra);
    const key = [shape, ...given.map(([name, tensor]) => `${name} ${tensor.dtype} ${tensor.shape}`)].join(';');
    const [b, h, w] = sizes(shape);
    return this.shapedFor(key, () => {
      return graphWithHead(this.network, this.graphOf([b, h, w]), [b, h, w], given, this.options.also!);
    });
  }

  private shapedFor(key: string, graph: () => ShapedGraph): Shaped {
    const known = this.shaped.get(key);
    if (known) return known;
    if (this.shaped.size >= (this.options.maxShapes ?? MAX_SHAPES)) this.reopen();
    const prefix = `shape${this.shaped.size}`;
    const { nodes, feeds, fetches, names } = graph();
    const within = (list: string[]) => list.map((node) => `${prefix}/${node}`);
    this.session.add(nodes, { prefix });
    const plan = this.session.plan({ name: 'the network', feeds: within(feeds), fetches: within(fetches) });
    const made = { plan, names };
    this.shaped.set(key, made);
    return made;
  }

  /** Opens a new session with the same weights; the old one is closed when its runs have ended. */
  private reopen(): void {
    const values = this.variables.read();
    const old = this.session;
    void Promise.allSettled(this.running).then(() => old.close());
    this.open();
    this.variables.set(({ name }) => values.get(name)!);
  }

  dispose(): void {
    this.session.close();
  }
}

function tracing(): Promise<Tracing> {
  return import('./network-graphs.js');
}

function sizes([b, h, w]: readonly number[]): [batch: number, height: number, width: number] {
  return [b, h, w];
}

function scalar(value: number): HostTensor<'float32'> {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

function candidates(rows: HostTensor, images: HostTensor): Candidates {
  return { rows: floats(rows), images: valuesOf(images, 'int32') };
}

function floats(tensor: HostTensor): HostTensor<'float32'> {
  return { dtype: 'float32', shape: tensor.shape, data: valuesOf(tensor, 'float32') };
}
