/** Ops with indices: gather, one-hot, top-k. */
import type { ElementType } from '../graph.js';
import { defineSymbolic } from '../raw.js';
import { axesOf, INT, symbolic } from './common.js';

defineSymbolic<'x' | 'indices', { axis: number; batchDims: number }>('GatherV2', (emit, { x, indices }, attrs) => {
  const axis = axesOf(attrs.axis, x.shape)[0];
  const batch = attrs.batchDims < 0 ? attrs.batchDims + indices.shape.length : attrs.batchDims;
  const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batch), ...x.shape.slice(axis + 1)];
  const Tparams = emit.type(x);
  const at = emit.cast(indices, 'int32');
  const kinds = { Tparams, Tindices: emit.type(at), Taxis: INT, batch_dims: batch };
  return emit.op('GatherV2', [x, at, emit.ints(axis)], kinds, shape, Tparams.type);
});

type OneHot = { depth: number; onValue: number; offValue: number; dtype: ElementType };

defineSymbolic<'indices', OneHot>('OneHot', (emit, { indices }, { depth, onValue, offValue, dtype }) => {
  const T = { type: symbolic(emit).inGraph(dtype) };
  const inputs = [indices, emit.ints(depth), emit.fill(onValue, [], dtype), emit.fill(offValue, [], dtype)];
  const attrs = { T, TI: emit.type(indices), axis: -1 };
  return emit.op('OneHot', inputs, attrs, [...indices.shape, depth], T.type);
});

defineSymbolic<'x', { k?: number; sorted?: boolean }>('TopK', (emit, { x }, { k = 1, sorted = true }) => {
  const T = emit.type(x);
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { shape, dtype: T.type },
    { shape, dtype: 'int32' as const },
  ];
  // The GPU kernel of TopKV2 supports int32 indices only, in device memory.
  const [values, indices] = emit.ops('TopKV2', [x, emit.ints(k)], { T, Tk: INT, index_type: INT, sorted }, outputs);
  return [values, emit.cast(indices, 'int32')];
});
