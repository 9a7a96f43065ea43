/** What the symbolic kernels share: attributes that nearly every op has, and result shapes. */
import * as tf from '@tensorflow/tfjs-core';
import type { Attrs, ElementType } from '../graph.js';
import type { Emitter } from '../raw.js';
import type { SymbolicBackend } from '../symbolic.js';

export type Info = tf.TensorInfo;

export const INT = { type: 'int32' } as const;

/** Kernels of this folder run on the symbolic backend only, which can do more than an Emitter. */
export function symbolic(emit: Emitter): SymbolicBackend {
  return emit as SymbolicBackend;
}

export function broadcast(a: number[], b: number[]): number[] {
  return tf.backend_util.assertAndGetBroadcastShape(a, b);
}

/** Both in the wider of their types, as tfjs does it. */
export function matched(emit: Emitter, a: Info, b: Info): [Info, Info, ElementType] {
  const ta = emit.type(a).type;
  const tb = emit.type(b).type;
  if (ta === tb) return [a, b, ta];
  const wider = ta === 'bfloat16' || tb === 'bfloat16' ? 'float32' : tf.upcastType(a.dtype, b.dtype);
  const type = symbolic(emit).inGraph(wider as ElementType);
  return [emit.cast(a, type), emit.cast(b, type), type];
}

/** An op with attribute T and one output of x's type. */
export function like(emit: Emitter, op: string, inputs: Info[], shape: number[], attrs: Attrs = {}): Info {
  const T = emit.type(inputs[0]);
  return emit.op(op, inputs, { T, ...attrs }, shape, T.type);
}

export function sizeOf(shape: number[]): number {
  return tf.util.sizeFromShape(shape);
}

export function sameShape(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Axes as non-negative numbers. */
export function axesOf(axis: number | number[] | null | undefined, shape: number[]): number[] {
  return tf.util.parseAxisParam(axis ?? shape.map((_, i) => i), shape);
}

export function reshaped(emit: Emitter, x: Info, shape: number[]): Info {
  if (sameShape(x.shape, shape)) return symbolic(emit).alias(x);
  return like(emit, 'Reshape', [x, emit.ints(shape)], shape, { Tshape: INT });
}

export function transposed(emit: Emitter, x: Info, perm: number[]): Info {
  if (perm.every((p, i) => p === i)) return symbolic(emit).alias(x);
  const shape = perm.map((p) => x.shape[p]);
  return like(emit, 'Transpose', [x, emit.ints(perm)], shape, { Tperm: INT });
}
