/**
 * Weights as TensorFlow.js stores them (tfjs-core, io/types: WeightsManifestEntry): float32, float16, or 8 bits with
 * value = q · scale + min. All are float32 again once they are loaded.
 */
import type { Literal } from '../graph/graph.js';
import { floatToHalf } from '../io/half.js';

export type WeightType = 'float32' | 'float16' | 'uint8';

export interface Encoded {
  bytes: Uint8Array;
  /** The manifest's entry but for the name. */
  entry: {
    shape: number[];
    dtype: 'float32' | 'int32';
    quantization?: { dtype: 'float16'; original_dtype: 'float32' } | Affine;
  };
}

interface Affine {
  dtype: 'uint8';
  original_dtype: 'float32';
  scale: number;
  min: number;
}

/** @param literal float32 or int32; only float32 can be stored as another type */
export function encodeWeight({ dtype, shape, values }: Literal, type: WeightType): Encoded {
  if (dtype !== 'float32' && dtype !== 'int32') throw new Error(`a constant of type ${dtype} can't be stored`);
  const all = whole(values, shape);
  if (dtype === 'int32' || type === 'float32') return { bytes: bytesOf(all), entry: { shape, dtype } };
  if (type === 'float16') {
    const bytes = bytesOf(floatToHalf(all as Float32Array));
    return { bytes, entry: { shape, dtype, quantization: { dtype: 'float16', original_dtype: 'float32' } } };
  }
  const { bytes, quantization } = quantize(all as Float32Array);
  return { bytes, entry: { shape, dtype, quantization } };
}

/**
 * 256 steps from the least to the largest value. 0 is one of them when it lies between: a kernel's zeros stay zero.
 * No value moves by more than half a step (a whole one at the ends).
 */
function quantize(values: Float32Array): { bytes: Uint8Array; quantization: Affine } {
  let [least, largest] = [0, 0];
  for (const x of values) {
    least = Math.min(least, x);
    largest = Math.max(largest, x);
  }
  const scale = (largest - least) / 255 || 1;
  const zero = Math.round(-least / scale);
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = Math.min(Math.max(Math.round(values[i] / scale) + zero, 0), 255);
  return { bytes, quantization: { dtype: 'uint8', original_dtype: 'float32', scale, min: -zero * scale } };
}

/** One stored element stands for all. */
function whole(values: Literal['values'], shape: readonly number[]): Literal['values'] {
  const size = shape.reduce((a, b) => a * b, 1);
  if (values.length === size) return values;
  return values instanceof Float32Array ? new Float32Array(size).fill(values[0]) : new Int32Array(size).fill(values[0]);
}

function bytesOf(values: Literal['values']): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
