/** Common code of the symbolic kernels: attributes, element types and result shapes. */
import * as tf from '@tensorflow/tfjs-core';
import type { Attrs, ElementType } from '../graph.js';
import type { Emitter } from '../raw.js';
import type { SymbolicBackend } from '../symbolic.js';

/** A symbolic tensor. */
export type Info = tf.TensorInfo;

/** Element type of shapes, axes and other index arguments. */
export const INT = { type: 'int32' } as const;

/** The backend of a kernel in this folder, which has more methods than an Emitter. */
export function symbolic(emit: Emitter): SymbolicBackend {
  return emit as SymbolicBackend;
}

/** Result shape of broadcasting. @throws Error for incompatible shapes */
export function broadcast(a: number[], b: number[]): number[] {
  return tf.backend_util.assertAndGetBroadcastShape(a, b);
}

/** Casts both to the wider of their element types, as tfjs does. @returns both tensors and the type */
export function matched(emit: Emitter, a: Info, b: Info): [Info, Info, ElementType] {
  const ta = emit.type(a).type;
  const tb = emit.type(b).type;
  if (ta === tb) return [a, b, ta];
  const wider = ta === 'bfloat16' || tb === 'bfloat16' ? 'float32' : tf.upcastType(a.dtype, b.dtype);
  const type = symbolic(emit).inGraph(wider as ElementType);
  return [emit.cast(a, type), emit.cast(b, type), type];
}

/** Adds an op with attribute T and one output, both of the element type of the first input. */
export function like(emit: Emitter, op: string, inputs: Info[], shape: number[], attrs: Attrs = {}): Info {
  const T = emit.type(inputs[0]);
  return emit.op(op, inputs, { T, ...attrs }, shape, T.type);
}

/** Number of elements. */
export function sizeOf(shape: number[]): number {
  return tf.util.sizeFromShape(shape);
}

/** Whether two shapes are equal. */
export function sameShape(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Axes as non-negative numbers; all axes when undefined. */
export function axesOf(axis: number | number[] | null | undefined, shape: number[]): number[] {
  return tf.util.parseAxisParam(axis ?? shape.map((_, i) => i), shape);
}

/** Adds a Reshape, unless the shape is the same. */
export function reshaped(emit: Emitter, x: Info, shape: number[]): Info {
  if (sameShape(x.shape, shape)) return symbolic(emit).alias(x);
  return like(emit, 'Reshape', [x, emit.ints(shape)], shape, { Tshape: INT });
}

/** Adds a Transpose, unless the permutation is the identity. */
export function transposed(emit: Emitter, x: Info, perm: number[]): Info {
  if (perm.every((p, i) => p === i)) return symbolic(emit).alias(x);
  const shape = perm.map((p) => x.shape[p]);
  return like(emit, 'Transpose', [x, emit.ints(perm)], shape, { Tperm: INT });
}
