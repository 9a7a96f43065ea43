/** Element-wise ops, the binary ones with broadcasting. */
import * as tf from '@tensorflow/tfjs-core';
import { defineSymbolic, type Emitter } from '../raw.js';
import { broadcast, type Info, like, matched, sameShape, symbolic } from './common.js';

type Binary = { a: Info; b: Info };

/** tfjs' name to TensorFlow's, where they differ. */
const ARITHMETIC: Record<string, string> = {
  Add: 'AddV2',
  Sub: 'Sub',
  Multiply: 'Mul',
  RealDiv: 'RealDiv',
  FloorDiv: 'FloorDiv',
  Maximum: 'Maximum',
  Minimum: 'Minimum',
  Mod: 'FloorMod',
  Pow: 'Pow',
  SquaredDifference: 'SquaredDifference',
  Atan2: 'Atan2',
};

for (const [name, op] of Object.entries(ARITHMETIC)) {
  defineSymbolic<'a' | 'b', object>(name, (emit, inputs) => arithmetic(emit, op, inputs), { half: op === 'AddV2' });
}

function arithmetic(emit: Emitter, op: string, inputs: Binary): Info {
  const [a, b, type] = matched(emit, inputs.a, inputs.b);
  const shape = broadcast(a.shape, b.shape);
  return identityOf(emit, op, a, b, shape) ?? emit.op(op, [a, b], { T: { type } }, shape, type);
}

/** Simplifies x + 0, x − 0, x · 1 and x / 1, which are frequent in gradients of tfjs (`mul(dy, ones)` of mean and sum). */
function identityOf(emit: Emitter, op: string, a: Info, b: Info, shape: number[]): Info | undefined {
  const sym = symbolic(emit);
  const without = op === 'AddV2' || op === 'Sub' ? 0 : op === 'Mul' || op === 'RealDiv' ? 1 : undefined;
  if (without === undefined) return undefined;
  const commutes = op === 'AddV2' || op === 'Mul';
  for (const [kept, other] of commutes
    ? [
        [a, b],
        [b, a],
      ]
    : [[a, b]]) {
    if (sym.uniform(other) !== without || Object.is(sym.uniform(other), -0)) continue;
    if (sameShape(kept.shape, shape)) return sym.alias(kept);
    return like(emit, 'BroadcastTo', [kept, emit.ints(shape)], shape, { Tidx: { type: 'int32' } });
  }
  return undefined;
}

for (const op of ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual']) {
  defineSymbolic<'a' | 'b', object>(op, (emit, inputs) => {
    const [a, b, type] = matched(emit, inputs.a, inputs.b);
    return emit.op(op, [a, b], { T: { type } }, broadcast(a.shape, b.shape), 'bool');
  });
}

for (const op of ['LogicalAnd', 'LogicalOr']) {
  defineSymbolic<'a' | 'b', object>(op, (emit, { a, b }) =>
    emit.op(op, [a, b], {}, broadcast(a.shape, b.shape), 'bool'),
  );
}

const UNARY = [
  'Abs',
  'Asin',
  'Atan',
  'Ceil',
  'Cos',
  'Exp',
  'Expm1',
  'Floor',
  'Log',
  'Log1p',
  'Neg',
  'Reciprocal',
  'Relu',
  'Round',
  'Rsqrt',
  'Sigmoid',
  'Sign',
  'Sin',
  'Softplus',
  'Sqrt',
  'Square',
  'Tanh',
];

for (const op of UNARY) defineSymbolic<'x', object>(op, (emit, { x }) => like(emit, op, [x], x.shape));

for (const op of ['IsFinite', 'IsInf', 'IsNan']) {
  defineSymbolic<'x', object>(op, (emit, { x }) => emit.op(op, [x], { T: emit.type(x) }, x.shape, 'bool'));
}

defineSymbolic<'x', object>('LogicalNot', (emit, { x }) => emit.op('LogicalNot', [x], {}, x.shape, 'bool'));

defineSymbolic<'x', object>('Identity', (emit, { x }) => symbolic(emit).alias(x), { half: true });

defineSymbolic<'x', { dtype: 'float32' | 'int32' | 'bool' }>('Cast', (emit, { x }, { dtype }) => {
  const value = symbolic(emit).uniform(x);
  if (value !== undefined) return emit.fill(dtype === 'int32' ? Math.trunc(value) : value, x.shape, dtype);
  return x.dtype === dtype ? symbolic(emit).alias(x) : emit.cast(x, dtype);
});

defineSymbolic<'x', { clipValueMin: number; clipValueMax: number }>('ClipByValue', (emit, { x }, attrs) => {
  const { type } = emit.type(x);
  const below = like(emit, 'Minimum', [x, emit.fill(attrs.clipValueMax, [], type)], x.shape);
  return like(emit, 'Maximum', [below, emit.fill(attrs.clipValueMin, [], type)], x.shape);
});

/** 1 where x > 0, NaN where x is NaN, else alpha. */
defineSymbolic<'x', { alpha: number }>('Step', (emit, { x }, { alpha }) => {
  const T = emit.type(x);
  const scalar = (value: number) => emit.fill(value, [], T.type);
  const select = (condition: Info, t: Info, e: Info) => emit.op('SelectV2', [condition, t, e], { T }, x.shape, T.type);
  const positive = emit.op('Greater', [x, scalar(0)], { T }, x.shape, 'bool');
  const stepped = select(positive, scalar(1), scalar(alpha));
  if (T.type !== 'float32') return stepped;
  return select(emit.op('IsNan', [x], { T }, x.shape, 'bool'), x, stepped);
});

defineSymbolic<'condition' | 't' | 'e', object>('Select', (emit, { condition, t, e }) => {
  const [yes, no, type] = matched(emit, t, e);
  const shape = broadcast(condition.shape, broadcast(yes.shape, no.shape));
  return emit.op('SelectV2', [condition, yes, no], { T: { type } }, shape, type);
});

defineSymbolic<never, object>('AddN', (emit, inputs) => {
  const list = Object.values(inputs as Record<string, Info>);
  return like(emit, 'AddN', list, list[0].shape, { N: list.length });
});

/** Softmax over the last axis. */
defineSymbolic<'logits', { dim: number }>('Softmax', (emit, { logits }, { dim }) => {
  tf.util.assert(dim === -1 || dim === logits.shape.length - 1, () => `softmax along axis ${dim}: only the last works`);
  return like(emit, 'Softmax', [logits], logits.shape);
});
