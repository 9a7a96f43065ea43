/** Reductions, cumulative sums and products, segment sums. */
import { defineSymbolic, type Emitter } from '../raw.js';
import { axesOf, INT, type Info, like, symbolic } from './common.js';

type Reduce = { axis?: number | number[]; reductionIndices?: number | number[]; keepDims?: boolean };

for (const op of ['Sum', 'Prod', 'Max', 'Min']) {
  defineSymbolic<'x', Reduce>(op, (emit, { x }, attrs) => reduced(emit, op, x, attrs));
}

defineSymbolic<'x', Reduce>('Mean', (emit, { x }, attrs) => reduced(emit, 'Mean', emit.cast(x, 'float32'), attrs));

for (const op of ['All', 'Any']) {
  defineSymbolic<'x', Reduce>(op, (emit, { x }, attrs) => {
    const { axes, shape } = reduction(x, attrs);
    return emit.op(op, [x, emit.ints(axes)], { Tidx: INT, keep_dims: attrs.keepDims ?? false }, shape, 'bool');
  });
}

function reduced(emit: Emitter, op: string, x: Info, attrs: Reduce): Info {
  const { axes, shape } = reduction(x, attrs);
  if (axes.length === 0) return symbolic(emit).alias(x);
  return like(emit, op, [x, emit.ints(axes)], shape, { Tidx: INT, keep_dims: attrs.keepDims ?? false });
}

function reduction(x: Info, { axis, reductionIndices, keepDims }: Reduce): { axes: number[]; shape: number[] } {
  const axes = axesOf(axis ?? reductionIndices, x.shape);
  const gone = new Set(axes);
  const shape = keepDims ? x.shape.map((d, i) => (gone.has(i) ? 1 : d)) : x.shape.filter((_, i) => !gone.has(i));
  return { axes, shape };
}

for (const op of ['ArgMax', 'ArgMin']) {
  defineSymbolic<'x', { axis: number }>(op, (emit, { x }, { axis }) => {
    const at = axesOf(axis, x.shape)[0];
    const numbers = x.dtype === 'bool' ? emit.cast(x, 'int32') : x;
    const attrs = { T: emit.type(numbers), Tidx: INT, output_type: { type: symbolic(emit).integers } };
    return emit.op(
      op,
      [numbers, emit.ints(at)],
      attrs,
      x.shape.filter((_, i) => i !== at),
      symbolic(emit).integers,
    );
  });
}

for (const op of ['Cumsum', 'Cumprod']) {
  defineSymbolic<'x', { axis: number; exclusive?: boolean; reverse?: boolean }>(op, (emit, { x }, attrs) => {
    const { axis, exclusive = false, reverse = false } = attrs;
    return like(emit, op, [x, emit.ints(axesOf(axis, x.shape)[0])], x.shape, { Tidx: INT, exclusive, reverse });
  });
}

defineSymbolic<'x' | 'segmentIds', { numSegments: number }>(
  'UnsortedSegmentSum',
  (emit, { x, segmentIds }, { numSegments }) => {
    const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
    const attrs = { Tindices: emit.type(segmentIds), Tnumsegments: INT };
    return like(emit, 'UnsortedSegmentSum', [x, segmentIds, emit.ints(numSegments)], shape, attrs);
  },
);
