/**
 * Runs a function once on symbolic tensors and returns what it would compute as a graph: plain data, to be compiled
 * (compile.ts) or exported. Nothing is calculated, so it takes milliseconds and no memory worth the name.
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

/** Shape and element type of an input; 'uint8' arrives in the function as float32 0..255. */
export interface TensorSpec {
  shape: number[];
  dtype: ElementType;
}

export interface TraceOptions {
  /** bfloat16 convolutions, with bfloat16 between those ops that cope with it. */
  half?: boolean;
  /** tf.Variables become constants with their present value, not inputs. */
  freeze?: boolean;
  /**
   * Element type of tfjs' int32 tensors inside the graph. TensorFlow computes with int32 on the host even where a GPU has the
   * rest of the graph, so indices would go there and back; int64 stays on the device. Inputs and outputs remain int32.
   * Default: what suits the TensorFlow of this process.
   */
  integers?: 'int32' | 'int64';
}

export interface Traced extends Graph {
  /** Inputs that stand for variables: after `inputs`, fed with the variable's value at each run. */
  variables: { port: Port; variable: tf.Variable }[];
  /** The function's result, with the index of an output instead of each tensor. */
  result: Tree<number>;
}

/** How inputs of these element types arrive in the function. */
const INSIDE: Partial<Record<ElementType, ElementType>> = { uint8: 'float32', bfloat16: 'float32' };

let tracing = false;

/** True while a function is being traced. */
export function isTracing(): boolean {
  return tracing;
}

/**
 * @param fn takes a tree (tensor, or nested record or list of tensors) and returns one; it may use tfjs' gradients
 * @param specs the same tree as `fn` takes, with a TensorSpec for each tensor; its paths (`params/model.0.conv.weight`)
 *   become the names of the inputs
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
  void tf.setBackend(SYMBOLIC); // takes effect at once: the backend needs no loading
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
      // tf.keep() carries values out of a gradient's function; here nothing but their nodes has to live on
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
    if (before) void tf.setBackend(before); // none: no engine was started yet
  }
}

function suitableIntegers(): 'int32' | 'int64' {
  return loadedTensorflow()?.gpu ? 'int64' : 'int32';
}

function isSpec(x: unknown): x is TensorSpec {
  const spec = x as TensorSpec;
  return Array.isArray(spec?.shape) && (spec.dtype as string) in TYPE_NUMBER;
}

/** An error that names the op without a kernel and the line that used it; any other error as it is. */
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
