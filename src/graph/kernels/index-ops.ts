/** Ops that pick or put elements by index. */
import type { ElementType } from '../graph.js';
import { defineSymbolic } from '../raw.js';
import { axesOf, INT, type Info, like } from './common.js';

defineSymbolic<'x' | 'indices', { axis: number; batchDims: number }>('GatherV2', (emit, { x, indices }, attrs) => {
  const axis = axesOf(attrs.axis, x.shape)[0];
  const batch = attrs.batchDims < 0 ? attrs.batchDims + indices.shape.length : attrs.batchDims;
  const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batch), ...x.shape.slice(axis + 1)];
  const Tparams = emit.type(x);
  const kinds = { Tparams, Tindices: INT, Taxis: INT, batch_dims: batch };
  return emit.op('GatherV2', [x, emit.cast(indices, 'int32'), emit.ints(axis)], kinds, shape, Tparams.type);
});

defineSymbolic<'params' | 'indices', object>('GatherNd', (emit, { params, indices }) => {
  const depth = indices.shape[indices.shape.length - 1];
  const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
  const Tparams = emit.type(params);
  return emit.op('GatherNd', [params, indices], { Tparams, Tindices: INT }, shape, Tparams.type);
});

defineSymbolic<'indices' | 'updates', { shape: number[] }>('ScatterNd', (emit, { indices, updates }, { shape }) => {
  const T = emit.type(updates);
  return emit.op('ScatterNd', [indices, updates, emit.ints(shape)], { T, Tindices: INT }, shape, T.type);
});

defineSymbolic<'tensor' | 'indices' | 'updates', object>('TensorScatterUpdate', (emit, { tensor, indices, updates }) =>
  like(emit, 'TensorScatterUpdate', [tensor, indices, updates], tensor.shape, { Tindices: INT }),
);

defineSymbolic<'sparseIndices' | 'sparseValues' | 'defaultValue', { outputShape: number[] }>(
  'SparseToDense',
  (emit, { sparseIndices, sparseValues, defaultValue }, { outputShape }) => {
    const T = emit.type(sparseValues);
    const inputs: Info[] = [sparseIndices, emit.ints(outputShape), sparseValues, defaultValue];
    return emit.op('SparseToDense', inputs, { T, Tindices: INT, validate_indices: true }, outputShape, T.type);
  },
);

type OneHot = { depth: number; onValue: number; offValue: number; dtype: ElementType };

defineSymbolic<'indices', OneHot>('OneHot', (emit, { indices }, { depth, onValue, offValue, dtype }) => {
  const inputs = [indices, emit.ints(depth), emit.fill(onValue, [], dtype), emit.fill(offValue, [], dtype)];
  const attrs = { T: { type: dtype }, TI: emit.type(indices), axis: -1 };
  return emit.op('OneHot', inputs, attrs, [...indices.shape, depth], dtype);
});

defineSymbolic<'x', { k?: number; sorted?: boolean }>('TopK', (emit, { x }, { k = 1, sorted = true }) => {
  const T = emit.type(x);
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { shape, dtype: T.type },
    { shape, dtype: 'int32' as const },
  ];
  return emit.ops('TopKV2', [x, emit.ints(k)], { T, Tk: INT, index_type: INT, sorted }, outputs);
});
