/**
 * compile(fn): what tf.function is to TensorFlow, for TensorFlow.js. `fn` is traced once for each signature of its inputs
 * (shapes and element types) and from then on runs as one TensorFlow graph, in a session of its own. On other engines, and
 * inside of another traced function or under a gradient tape, it runs as it is.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ElementType } from '../../src/graph/graph.js';
import { elementType } from '../../src/graph/graph.js';
import type { HostTensor } from '../../src/graph/host-tensor.js';
import { NATIVE } from '../../src/graph/raw.js';
import { type Plan, Session } from '../../src/graph/session.js';
import { loadedTensorflow } from '../../src/graph/tensorflow.js';
import { type TensorSpec, type Traced, type TraceOptions, trace } from '../../src/graph/trace.js';
import { flatten, isTensor, type Tree, unflatten } from '../../src/graph/tree.js';

export interface CompileOptions extends Pick<TraceOptions, 'half' | 'integers'> {
  /** For error messages. */
  name?: string;
  /** TensorFlow device of all nodes, e.g. '/device:GPU:0'; TensorFlow's own choice when left out. */
  device?: string;
}

/** An image as it comes from the decoder: fed as bytes, seen by the function as float32 0..255. */
export interface Bytes {
  data: Uint8Array;
  shape: readonly number[];
}

/** What may be given where the function takes a tensor: images can be fed as bytes. */
export type Fed<I> = I extends tf.Tensor ? tf.Tensor | Bytes : { [K in keyof I]: Fed<I[K]> };

export interface Compiled<I, O> {
  /** Runs it. Results belong to the caller, or to the tidy around the call. */
  (inputs: Fed<I>): O;
  /** Number of signatures that have a graph. */
  readonly graphs: number;
  /** Traces and loads the graph for these inputs without running it. */
  prepare(inputs: Fed<I>): Traced;
  /** Releases all graphs. The function can be called again and is then traced anew. */
  dispose(): void;
}

interface Loaded {
  traced: Traced;
  session: Session;
  plan: Plan;
}

/**
 * @param fn pure: tensors in (a record, list or tree of them), tensors out, no reading of values. Tensors it captures
 *   become constants of the graph when it is traced; tf.Variables are read anew at every run.
 */
export function compile<I extends Tree<tf.Tensor>, O extends Tree<tf.Tensor>>(
  fn: (inputs: I) => O,
  { name = fn.name || 'function', device = '', half = false, integers }: CompileOptions = {},
): Compiled<I, O> {
  const loaded = new Map<string, Loaded>();

  const find = (leaves: [string, tf.Tensor | Bytes][], tree: Tree<tf.Tensor | Bytes>): Loaded => {
    const key = leaves.map(([path, feed]) => `${path}:${typeOf(feed)}${feed.shape}`).join(';');
    const found = loaded.get(key);
    if (found) return found;
    const specs = leaves.map(([, feed]): TensorSpec => ({ shape: [...feed.shape], dtype: typeOf(feed) }));
    const traced = trace(fn, unflatten(tree, isFeed, specs), { half, integers });
    const session = Session.open();
    session.add(traced.nodes, { device });
    const feeds = [...traced.inputs, ...traced.variables.map(({ port }) => port)].map(({ node }) => node);
    const plan = session.plan({ name, feeds, fetches: traced.outputs.map(({ node }) => node) });
    const made = { traced, session, plan };
    loaded.set(key, made);
    return made;
  };

  const call = (tree: Tree<tf.Tensor | Bytes>): Tree<tf.Tensor> => {
    const leaves = flatten(tree, isFeed);
    if (tf.getBackend() !== NATIVE || !loadedTensorflow() || taping()) {
      const made = leaves.map(([, feed]) => (isTensor(feed) ? feed : fromBytes(feed)));
      try {
        return eagerly(fn as (inputs: unknown) => Tree<tf.Tensor>, unflatten(tree, isFeed, made), made);
      } finally {
        leaves.forEach(([, feed], i) => {
          if (feed !== made[i]) made[i].dispose();
        });
      }
    }
    const { traced, plan } = find(leaves, tree);
    const feeds = [...leaves.map(([, feed]) => feed), ...traced.variables.map(({ variable }) => variable)];
    try {
      return unflatten(traced.result, isNumber, plan.run(feeds.map(toHost)).map(toTensor));
    } catch (error) {
      if (error instanceof Error) error.message = `${name}: ${error.message}`;
      throw error;
    }
  };

  return Object.defineProperties(call, {
    graphs: { get: () => loaded.size },
    prepare: {
      value: (tree: Tree<tf.Tensor | Bytes>) => find(flatten(tree, isFeed), tree).traced,
    },
    dispose: {
      value: () => {
        for (const { session } of loaded.values()) session.close();
        loaded.clear();
      },
    },
  }) as unknown as Compiled<I, O>;
}

/** The function as it is. A result that is one of its inputs is given back as a tensor of its own, as a graph does. */
function eagerly(
  fn: (inputs: unknown) => Tree<tf.Tensor>,
  inputs: unknown,
  made: readonly tf.Tensor[],
): Tree<tf.Tensor> {
  const run = (): Tree<tf.Tensor> => {
    const result = fn(inputs);
    const leaves = flatten(result, isTensor).map(([, leaf]) => leaf);
    const own = leaves.map((leaf, i) => (made.includes(leaf) || leaves.indexOf(leaf) < i ? tf.clone(leaf) : leaf));
    return unflatten(result, isTensor, own);
  };
  return tf.tidy(run as () => tf.Tensor);
}

function isFeed(x: unknown): x is tf.Tensor | Bytes {
  return x instanceof tf.Tensor || (x as Bytes)?.data instanceof Uint8Array;
}

function isNumber(x: unknown): x is number {
  return typeof x === 'number';
}

function typeOf(feed: tf.Tensor | Bytes): ElementType {
  return isTensor(feed) ? elementType(feed.dtype) : 'uint8';
}

function toHost(feed: tf.Tensor | Bytes): HostTensor {
  const data = isTensor(feed) ? feed.dataSync() : feed.data;
  return { dtype: typeOf(feed), shape: feed.shape, data } as HostTensor;
}

function toTensor({ dtype, shape, data }: HostTensor): tf.Tensor {
  return tf.tensor(data as Float32Array, [...shape], dtype as 'float32');
}

function fromBytes({ data, shape }: Bytes): tf.Tensor {
  return tf.tensor(Float32Array.from(data), [...shape], 'float32');
}

/** True inside of tf.grad and the like: a graph as a whole has no gradient, its ops have. */
function taping(): boolean {
  const state = tf.engine().state as unknown as { gradientDepth: number };
  return state.gradientDepth > 0;
}
