/**
 * Tracing: runs a function once on symbolic tensors and returns its computation as a graph, plain data that is run in a
 * session or exported. No values are computed, so it takes milliseconds and little memory.
 */
import * as tf from '@tensorflow/tfjs-core';
import { messageOf } from '../core/errors.js';
import { fuseGradientSums } from './fuse-gradient-sums.js';
import { type ElementType, type Graph, type Port, TYPE_NUMBER } from './graph.js';
import './kernels/all.js';
import { pruned } from './prune.js';
import { SYMBOLIC } from './raw.js';
import { symbolicBackend } from './symbolic.js';
import { loadedTensorflow } from './tensorflow.js';
import { flatten, isTensor, type Tree, unflatten } from './tree.js';

/** Shape and element type of an input; the function receives 'uint8' as float32 0..255. */
export interface TensorSpec {
  shape: number[];
  dtype: ElementType;
}

/** Options of tracing. */
export interface TraceOptions {
  /** bfloat16 convolutions, and bfloat16 in ops between them that support it. Default: false. */
  half?: boolean;
  /** tf.Variables become constants with their current value instead of inputs. Default: false. */
  freeze?: boolean;
  /**
   * Element type of tfjs' int32 tensors inside the graph. TensorFlow places int32 ops in host memory also on a GPU, so that
   * indices would be copied to the host and back; int64 remains on the device. Inputs and outputs remain int32. Default:
   * int64 if the loaded TensorFlow uses a GPU, else int32.
   */
  integers?: 'int32' | 'int64';
}

/** A traced function. */
export interface Traced extends Graph {
  /** Inputs for variables, after `inputs`: to be fed with the variable's value at each run. */
  variables: { port: Port; variable: tf.Variable }[];
  /** The function's result, in which each tensor is replaced by the index of its output. */
  result: Tree<number>;
}

/** Element types of inputs in the function. */
const INSIDE: Partial<Record<ElementType, ElementType>> = { uint8: 'float32', bfloat16: 'float32' };

let tracing = false;

/** True while a function is being traced. */
export function isTracing(): boolean {
  return tracing;
}

/**
 * Traces a function.
 * @param fn takes a tree (tensor, or nested record or list of tensors) and returns one; it may use tfjs' gradients
 * @param specs the tree of `fn`'s argument with a TensorSpec for each tensor; its paths (`params/model.0.conv.weight`)
 *   become the names of the inputs
 * @throws Error for ops without a symbolic kernel, and errors of `fn`
 */
export function trace<I extends Tree<tf.Tensor>>(
  fn: (inputs: I) => Tree<tf.Tensor>,
  specs: Tree<TensorSpec>,
  { half = false, freeze = false, integers = suitableIntegers() }: TraceOptions = {},
): Traced {
  if (isTracing()) throw new Error('trace() was called inside of a traced function');
  const backend = symbolicBackend();
  const recording = backend.begin({ half, freeze, integers });
  const before = tf.getBackend();
  const stackLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  void tf.setBackend(SYMBOLIC); // takes effect synchronously: the backend needs no initialisation
  tracing = true;
  try {
    const inputs: Port[] = [];
    const outputs: Port[] = [];
    const result = tf.tidy(() => {
      const leaves = flatten(specs, isSpec).map(([path, spec]) => {
        const { info, node } = backend.placeholder(path || 'input', spec.shape, spec.dtype);
        inputs.push({ name: path, node, shape: spec.shape, dtype: spec.dtype });
        const seen = backend.cast(info, INSIDE[spec.dtype] ?? spec.dtype);
        return tf.engine().makeTensorFromTensorInfo(seen, backend);
      });
      const returned = fn(unflatten(specs, isSpec, leaves) as I);
      const tensors = flatten(returned, isTensor);
      for (const [path, tensor] of tensors) outputs.push({ name: path, ...backend.output(tensor, `out/${path}`) });
      // tensors kept by `differentiate` are disposed: only their nodes are needed
      for (const [, tensor] of tensors) if (tensor.kept && backend.owns(tensor)) tensor.dispose();
      const indices = tensors.map((_, i) => i);
      return unflatten(returned, isTensor, indices);
    });
    const variables = [...recording.variables].map(([variable, { entry, node }]) => {
      return { port: { name: variable.name, node, shape: entry.shape, dtype: entry.type }, variable };
    });
    const keep = [...inputs, ...variables.map((v) => v.port), ...outputs].map((port) => port.node);
    const nodes = fuseGradientSums(pruned(recording.nodes, keep), keep, (ref) => recording.shapes.get(ref));
    return { nodes: pruned(nodes, keep), inputs, outputs, variables, result };
  } catch (error) {
    throw explained(error);
  } finally {
    backend.end();
    Error.stackTraceLimit = stackLimit;
    tracing = false;
    if (before) void tf.setBackend(before); // undefined before an engine is started
  }
}

function suitableIntegers(): 'int32' | 'int64' {
  return loadedTensorflow()?.gpu ? 'int64' : 'int32';
}

function isSpec(x: unknown): x is TensorSpec {
  const spec = x as TensorSpec;
  return Array.isArray(spec?.shape) && (spec.dtype as string) in TYPE_NUMBER;
}

/** For an op without a kernel, an error with its name and the calling line; other errors are returned unchanged. */
function explained(error: unknown): unknown {
  const match = /Kernel '(\w+)' not registered for backend 'symbolic'/.exec(messageOf(error));
  if (!match) return error;
  const lines = (error as Error).stack?.split('\n').slice(1) ?? [];
  const line = lines.find((l) => !/@tensorflow|node:internal|[\\/]graph[\\/](trace|raw|symbolic)\.[jt]s/.test(l));
  const where = line?.trim().replace(/^at /, '') ?? 'an unknown place';
  return new Error(`the op '${match[1]}' can't be traced: src/graph/kernels has no kernel for it. Used at ${where}`, {
    cause: error,
  });
}
