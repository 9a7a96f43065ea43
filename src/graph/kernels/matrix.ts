/** Matrix products. */
import { defineSymbolic, type Emitter } from '../raw.js';
import { broadcast, type Info, like } from './common.js';

type MatMul = { transposeA: boolean; transposeB: boolean };

defineSymbolic<'a' | 'b', MatMul>('BatchMatMul', (emit, { a, b }, attrs) => product(emit, a, b, attrs));

/** [..., n, k] x [..., k, m] → [..., n, m], leading sizes broadcast. */
function product(emit: Emitter, a: Info, b: Info, { transposeA, transposeB }: MatMul): Info {
  const [n, m] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  const shape = [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), n, m];
  return like(emit, 'BatchMatMulV2', [a, b], shape, { adj_x: transposeA, adj_y: transposeB });
}
