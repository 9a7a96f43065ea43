/**
 * Custom ops for eager execution and tracing: a kernel calls TensorFlow ops through an `Emitter`, which executes them
 * (backend 'tensorflow') or adds them to the traced graph (backend 'symbolic'). Other backends (wasm) use the composition
 * of standard tfjs ops, if one is defined.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.js';
import { type Attrs, type AttrValue, type ElementType, elementType } from './graph.js';

/** Name of the backend of tfjs-node. */
export const NATIVE = 'tensorflow';
/** Name of the backend for tracing (symbolic.ts). */
export const SYMBOLIC = 'symbolic';

/** Shape and element type of an op's output. */
export interface OutputSpec {
  shape: number[];
  dtype: ElementType;
}

/** The interface through which a kernel calls TensorFlow ops. */
export interface Emitter {
  /** True while tracing a graph whose feature maps are bfloat16 (option `half`). */
  readonly half: boolean;
  /** Runs or records one op. @param outputs their shapes are used by the symbolic emitter only @returns its outputs */
  ops(op: string, inputs: tf.TensorInfo[], attrs: Attrs, outputs: OutputSpec[]): tf.TensorInfo[];
  /** The same for an op with one output, by default of type float32. */
  op(op: string, inputs: tf.TensorInfo[], attrs: Attrs, shape: number[], dtype?: ElementType): tf.TensorInfo;
  /** An int32 scalar, vector (axes of a reduction) or matrix (rows of paddings). */
  ints(values: number | readonly number[] | readonly (readonly number[])[]): tf.TensorInfo;
  /** A constant with one repeated value. */
  fill(value: number, shape: number[], dtype: ElementType): tf.TensorInfo;
  /** Element type of a tensor, as value of the attribute `T`. */
  type(x: tf.TensorInfo): { type: ElementType };
  /** x in another element type; x itself when it has that type. */
  cast(x: tf.TensorInfo, to: ElementType): tf.TensorInfo;
}

/** Definition of a custom op. */
export interface RawOp<I extends string, A extends object> {
  /** Name of the kernel in tfjs' registry. */
  name: string;
  /** Names of its inputs. */
  inputs: readonly I[];
  kernel(emit: Emitter, inputs: Record<I, tf.TensorInfo>, attrs: A): tf.TensorInfo | tf.TensorInfo[];
  /** True when the kernel supports bfloat16 inputs; otherwise they are cast to float32. */
  half?: boolean;
  /** The same function composed of standard tfjs ops, for other backends. */
  composed?(inputs: Record<I, tf.Tensor>, attrs: A): tf.Tensor | tf.Tensor[];
  gradient?: {
    /** Inputs that are saved for `of`, in this order … */
    save?: I[];
    /** … followed by the outputs marked true. */
    saveOutputs?: boolean[];
    /** Gradients by input, as functions, so that only those that are needed are computed. */
    of(dy: tf.Tensor[], saved: tf.Tensor[], attrs: A): Partial<Record<I, () => tf.Tensor>>;
  };
}

/** Calls an op with its inputs by name. @returns one tensor for each output of the kernel */
export type RawCall<I extends string, A extends object> = (inputs: Record<I, tf.Tensor>, attrs: A) => tf.Tensor[];

/**
 * Registers an op: its kernel on the native and the symbolic backend, and its gradient.
 * @returns a function that calls it; it throws UserError 'needs-native' on other backends when there is no composed form
 */
export function defineOp<I extends string, A extends object>(op: RawOp<I, A>): RawCall<I, A> {
  if (tf.getKernel(op.name, NATIVE) === undefined) {
    tf.registerKernel({ kernelName: op.name, backendName: NATIVE, kernelFunc: eagerKernel(op) });
    defineSymbolic(op.name, op.kernel, { half: op.half });
    if (op.gradient) registerGradient(op, op.gradient);
  }
  return (inputs, attrs) => {
    const backend = tf.getBackend();
    if (backend !== NATIVE && backend !== SYMBOLIC) {
      if (op.composed) return [op.composed(inputs, attrs)].flat();
      throw new UserError(
        'needs-native',
        `${op.name} needs the native engine; the backend in use is '${backend}'`,
        'run: yolo setup',
      );
    }
    const out = tf.engine().runKernel(op.name, inputs, attrs as unknown as tf.NamedAttrMap);
    return [out as tf.Tensor | tf.Tensor[]].flat();
  };
}

/** Registers a kernel on the symbolic backend only, for ops that exist on the native backend. */
export function defineSymbolic<I extends string, A extends object>(
  name: string,
  kernel: (emit: Emitter, inputs: Record<I, tf.TensorInfo>, attrs: A) => tf.TensorInfo | tf.TensorInfo[],
  { half = false }: { half?: boolean } = {},
): void {
  tf.registerKernel({
    kernelName: name,
    backendName: SYMBOLIC,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const emit = backend as Emitter;
      let given = inputs as Record<string, tf.TensorInfo>;
      if (emit.half && !half) given = widen(emit, given);
      return kernel(emit, given as Record<I, tf.TensorInfo>, (attrs ?? {}) as unknown as A);
    },
  });
}

/** The same inputs with bfloat16 ones cast to float32. */
function widen(emit: Emitter, inputs: Record<string, tf.TensorInfo>): Record<string, tf.TensorInfo> {
  const one = (x: tf.TensorInfo) => (x && emit.type(x).type === 'bfloat16' ? emit.cast(x, 'float32') : x);
  if (Array.isArray(inputs)) return inputs.map(one) as unknown as Record<string, tf.TensorInfo>;
  return Object.fromEntries(Object.entries(inputs).map(([key, x]) => [key, one(x)]));
}

function eagerKernel<I extends string, A extends object>(op: RawOp<I, A>): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const emit = new EagerEmitter(backend as NativeBackend);
    // The native backend returns tensors; tidy disposes shapes and intermediate results.
    const run = () => op.kernel(emit, inputs as Record<I, tf.TensorInfo>, (attrs ?? {}) as unknown as A);
    return tf.tidy(run as () => tf.Tensor[]);
  };
}

function registerGradient<I extends string, A extends object>(
  op: RawOp<I, A>,
  gradient: NonNullable<RawOp<I, A>['gradient']>,
): void {
  tf.registerGradient({
    kernelName: op.name,
    inputsToSave: gradient.save ?? [],
    outputsToSave: gradient.saveOutputs ?? [],
    gradFunc: (dy, saved, attrs) =>
      gradient.of([dy].flat(), saved, (attrs ?? {}) as unknown as A) as Record<string, () => tf.Tensor>,
  });
}

interface NativeAttr {
  name: string;
  type: number;
  value: unknown;
}

/** The methods of tfjs-node's backend that are used. */
export interface NativeBackend extends tf.KernelBackend {
  binding: Record<'TF_ATTR_TYPE' | 'TF_ATTR_INT' | 'TF_ATTR_BOOL' | 'TF_ATTR_STRING' | 'TF_ATTR_FLOAT', number>;
  getDTypeInteger(dtype: string): number;
  executeMultipleOutputs(op: string, attrs: NativeAttr[], inputs: tf.TensorInfo[], count: number): tf.Tensor[];
}

class EagerEmitter implements Emitter {
  readonly half = false;
  constructor(private readonly backend: NativeBackend) {}

  ops(op: string, inputs: tf.TensorInfo[], attrs: Attrs, outputs: OutputSpec[]): tf.TensorInfo[] {
    const list = Object.entries(attrs).map(([name, value]) => this.attr(name, value));
    return this.backend.executeMultipleOutputs(op, list, inputs, outputs.length);
  }

  op(op: string, inputs: tf.TensorInfo[], attrs: Attrs, shape: number[], dtype: ElementType = 'float32') {
    return this.ops(op, inputs, attrs, [{ shape, dtype }])[0];
  }

  ints(values: number | readonly number[] | readonly (readonly number[])[]): tf.TensorInfo {
    return tf.tensor(values as number[], undefined, 'int32');
  }

  fill(value: number, shape: number[], dtype: ElementType): tf.TensorInfo {
    return tf.fill(shape, value, dtype as 'float32');
  }

  type(x: tf.TensorInfo): { type: ElementType } {
    return { type: elementType(x.dtype) };
  }

  cast(x: tf.TensorInfo, to: ElementType): tf.TensorInfo {
    return x.dtype === to ? x : tf.cast(x as tf.Tensor, to as tf.DataType);
  }

  private attr(name: string, value: AttrValue): NativeAttr {
    const kinds = this.backend.binding;
    if (typeof value === 'boolean') return { name, type: kinds.TF_ATTR_BOOL, value };
    if (typeof value === 'string') return { name, type: kinds.TF_ATTR_STRING, value };
    if (typeof value === 'number' || Array.isArray(value)) return { name, type: kinds.TF_ATTR_INT, value };
    if ('type' in value) return { name, type: kinds.TF_ATTR_TYPE, value: this.backend.getDTypeInteger(value.type) };
    if ('float' in value) return { name, type: kinds.TF_ATTR_FLOAT, value: value.float };
    throw new Error(`attribute ${name} has a type that eager execution does not support`);
  }
}
