/** Matrix products. */
import * as tf from '@tensorflow/tfjs-core';
import { defineSymbolic, type Emitter } from '../raw.js';
import { broadcast, type Info, like } from './common.js';

type MatMul = { transposeA: boolean; transposeB: boolean };
type Fused = MatMul & { activation?: string; leakyreluAlpha?: number };

defineSymbolic<'a' | 'b', MatMul>('BatchMatMul', (emit, { a, b }, attrs) => product(emit, a, b, attrs));

defineSymbolic<'a' | 'b', Fused>('_FusedMatMul', (emit, inputs, attrs) => {
  const { a, b, bias, preluActivationWeights } = inputs as Record<string, Info | undefined>;
  const y = product(emit, a!, b!, attrs);
  return activated(
    emit,
    bias ? like(emit, 'AddV2', [y, bias], broadcast(y.shape, bias.shape)) : y,
    attrs,
    preluActivationWeights,
  );
});

/** [..., n, k] x [..., k, m] → [..., n, m], leading sizes broadcast. */
function product(emit: Emitter, a: Info, b: Info, { transposeA, transposeB }: MatMul): Info {
  const [n, m] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  const shape = [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), n, m];
  return like(emit, 'BatchMatMulV2', [a, b], shape, { adj_x: transposeA, adj_y: transposeB });
}

/** The activation of tfjs' fused kernels. */
export function activated(
  emit: Emitter,
  y: Info,
  { activation, leakyreluAlpha = 0.2 }: { activation?: string; leakyreluAlpha?: number },
  weights?: Info,
): Info {
  const ops: Record<string, string> = { relu: 'Relu', relu6: 'Relu6', elu: 'Elu', sigmoid: 'Sigmoid' };
  if (activation === undefined || activation === null || activation === 'linear') return y;
  if (activation in ops) return like(emit, ops[activation], [y], y.shape);
  if (activation === 'leakyrelu') return like(emit, 'LeakyRelu', [y], y.shape, { alpha: { float: leakyreluAlpha } });
  if (activation === 'prelu' && weights) {
    const below = like(emit, 'Minimum', [y, emit.fill(0, [], 'float32')], y.shape);
    return like(
      emit,
      'AddV2',
      [like(emit, 'Relu', [y], y.shape), like(emit, 'Mul', [weights, below], y.shape)],
      y.shape,
    );
  }
  throw new Error(`activation '${activation}' can't be traced`);
}

defineSymbolic<never, { equation: string }>('Einsum', (emit, inputs, { equation }) => {
  const list = Object.values(inputs as Record<string, Info>);
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, list.length);
  const sizes: number[] = [];
  idDims.forEach((dims, i) => {
    dims.forEach((dim, j) => {
      sizes[dim] = list[i].shape[j];
    });
  });
  const shape = allDims
    .map((_, i) => i)
    .filter((i) => !summedDims.includes(i))
    .map((i) => sizes[i]);
  return like(emit, 'Einsum', list, shape, { N: list.length, equation: equation.replace(/\s/g, '') });
});
