/** Ops that rearrange elements: reshape, transpose, tile, slice, concatenate, split, stack, pad, reverse. */
import * as tf from '@tensorflow/tfjs-core';
import { defineSymbolic, type Emitter } from '../raw.js';
import { axesOf, INT, type Info, like, reshaped, sizeOf, symbolic, transposed } from './common.js';

const half = { half: true };

defineSymbolic<'x', { shape: number[] }>(
  'Reshape',
  (emit, { x }, { shape }) => reshaped(emit, x, tf.util.inferFromImplicitShape(shape, sizeOf(x.shape))),
  half,
);

defineSymbolic<'input', { dim: number }>('ExpandDims', (emit, { input }, { dim }) => {
  const shape = [...input.shape];
  shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1);
  return reshaped(emit, input, shape);
});

defineSymbolic<'x', { perm: number[] }>('Transpose', (emit, { x }, { perm }) => transposed(emit, x, perm), half);

defineSymbolic<'x', { reps: number[] }>('Tile', (emit, { x }, { reps }) => tiled(emit, x, reps));

function tiled(emit: Emitter, x: Info, reps: number[]): Info {
  const shape = x.shape.map((d, i) => d * reps[i]);
  const value = symbolic(emit).uniform(x);
  if (value !== undefined) return emit.fill(value, shape, emit.type(x).type);
  if (reps.every((r) => r === 1)) return symbolic(emit).alias(x);
  return like(emit, 'Tile', [x, emit.ints(reps)], shape, { Tmultiples: INT });
}

defineSymbolic<'x', { shape: number[] }>('BroadcastTo', (emit, { x }, { shape }) =>
  like(emit, 'BroadcastTo', [x, emit.ints(shape)], shape, { Tidx: INT }),
);

defineSymbolic<'x', { begin: number | number[]; size: number | number[] }>(
  'Slice',
  (emit, { x }, { begin, size }) => {
    const [from, extent] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
    if (extent.every((d, i) => d === x.shape[i])) return symbolic(emit).alias(x);
    return like(emit, 'Slice', [x, emit.ints(from), emit.ints(extent)], extent, { Index: INT });
  },
  half,
);

defineSymbolic<never, { axis: number }>(
  'Concat',
  (emit, inputs, { axis }) => {
    const given = Object.values(inputs as Record<string, Info>);
    const mixed = given.some((x) => emit.type(x).type !== emit.type(given[0]).type);
    const list = (mixed ? given.map((x) => emit.cast(x, 'float32')) : given).filter((x) => sizeOf(x.shape) > 0);
    if (list.length === 0) return symbolic(emit).alias(given[0]);
    if (list.length === 1) return symbolic(emit).alias(list[0]);
    const at = axesOf(axis, list[0].shape)[0];
    const shape = tf.backend_util.computeOutShape(
      list.map((x) => x.shape),
      at,
    );
    return like(emit, 'ConcatV2', [...list, emit.ints(at)], shape, { N: list.length, Tidx: INT });
  },
  half,
);

defineSymbolic<'x', { numOrSizeSplits: number | number[]; axis: number }>(
  'SplitV',
  (emit, { x }, { numOrSizeSplits, axis }) => {
    const at = axesOf(axis, x.shape)[0];
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, at);
    const T = emit.type(x);
    const outputs = sizes.map((size) => ({ shape: x.shape.map((d, i) => (i === at ? size : d)), dtype: T.type }));
    const attrs = { T, Tlen: INT, num_split: sizes.length };
    return emit.ops('SplitV', [x, emit.ints(sizes), emit.ints(at)], attrs, outputs);
  },
  half,
);

defineSymbolic<never, { axis: number }>('Pack', (emit, inputs, { axis }) => {
  const list = Object.values(inputs as Record<string, Info>);
  const shape = [...list[0].shape];
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  shape.splice(at, 0, list.length);
  return like(emit, 'Pack', list, shape, { N: list.length, axis: at });
});

defineSymbolic<'value', { axis: number }>('Unpack', (emit, { value }, { axis }) => {
  const at = axesOf(axis, value.shape)[0];
  const num = value.shape[at];
  const T = emit.type(value);
  const one = { shape: value.shape.filter((_, i) => i !== at), dtype: T.type };
  return emit.ops('Unpack', [value], { T, num, axis: at }, Array(num).fill(one));
});

defineSymbolic<'x', { paddings: [number, number][]; constantValue: number }>('PadV2', (emit, { x }, attrs) => {
  const { paddings, constantValue } = attrs;
  const shape = x.shape.map((d, i) => d + paddings[i][0] + paddings[i][1]);
  return like(emit, 'PadV2', [x, emit.ints(paddings), emit.fill(constantValue, [], emit.type(x).type)], shape, {
    Tpaddings: INT,
  });
});

defineSymbolic<'x', { dims: number | number[] }>('Reverse', (emit, { x }, { dims }) =>
  like(emit, 'ReverseV2', [x, emit.ints(axesOf(dims, x.shape))], x.shape, { Tidx: INT }),
);
