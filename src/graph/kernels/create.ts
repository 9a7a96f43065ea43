/** Ops that create constants: the values are known while tracing, and nodes are added only for those that are used. */
import { defineSymbolic } from '../raw.js';
import { symbolic } from './common.js';

type Dtype = 'float32' | 'int32' | 'bool';

defineSymbolic<never, { shape: number[]; value: number; dtype?: Dtype }>('Fill', (emit, _, { shape, value, dtype }) =>
  emit.fill(value, shape, dtype ?? 'float32'),
);

defineSymbolic<'x', object>('ZerosLike', (emit, { x }) => emit.fill(0, x.shape, x.dtype as Dtype));
defineSymbolic<'x', object>('OnesLike', (emit, { x }) => emit.fill(1, x.shape, x.dtype as Dtype));

defineSymbolic<never, { start: number; stop: number; step: number; dtype?: 'float32' | 'int32' }>(
  'Range',
  (emit, _, { start, stop, step, dtype = 'float32' }) => {
    const by = stop < start && step === 1 ? -1 : step; // as tfjs' kernels do
    const n = Math.max(0, Math.ceil((stop - start) / by));
    const values = Array.from({ length: n }, (_, i) => start + i * by);
    const list = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
    return symbolic(emit).literal(list, [n], symbolic(emit).inGraph(dtype));
  },
);

defineSymbolic<never, { start: number; stop: number; num: number }>('LinSpace', (emit, _, { start, stop, num }) => {
  const step = (stop - start) / Math.max(num - 1, 1);
  const values = Float32Array.from({ length: num }, (_, i) => (i > 0 && i === num - 1 ? stop : start + i * step));
  return symbolic(emit).literal(values, [num], 'float32');
});
