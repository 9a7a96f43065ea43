/** The weights of a checkpoint as they are stored in a file of weights (safetensors, torch). */
import type { Checkpoint, NamedArray } from '../core/types.js';
import { floatToHalf } from '../io/half.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { RawArray } from '../io/typed.js';

/** Largest finite half; a larger weight would become infinite. */
const MAX_HALF = 65504;
/** Below this a half loses digits; a variance must not become 0. */
const MIN_HALF = 6.2e-5;

/**
 * Weights under their names, then BatchNorm's counters. Each is asked for when it is written, twice at most.
 * @param half halves the size; what 16 bits would make infinite, or a running variance 0, keeps 32
 */
export function storedWeights({ weights, counters }: Checkpoint, half: boolean): [string, StoredTensor][] {
  const numbers = [...weights].map(([name, array]): [string, StoredTensor] => [name, stored(name, array, half)]);
  const counts = [...(counters ?? [])].map(([name, n]): [string, StoredTensor] => [
    name,
    { dtype: 'I64', shape: [], data: BigInt64Array.of(BigInt(n)) },
  ]);
  return [...numbers, ...counts];
}

function stored(name: string, array: NamedArray, half: boolean): StoredTensor {
  const fits = half && array.data.every((x) => fitsHalf(x, name.endsWith('running_var')));
  return {
    dtype: fits ? 'F16' : 'F32',
    shape: array.shape,
    get data() {
      return (fits ? floatToHalf(array.data) : array.data) as RawArray;
    },
  };
}

function fitsHalf(x: number, isVariance: boolean): boolean {
  return Math.abs(x) < MAX_HALF && (x === 0 || Math.abs(x) > MIN_HALF || !isVariance);
}
