/**
 * Number types of model files, under safetensors' names, and typed arrays for them. Halves (F16, BF16) are held as the bits
 * in a Uint16Array.
 */
import type { NamedArray } from '../core/types.js';
import { bfloatToFloat, halfToFloat } from './half.js';

export type RawArray =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

const TYPES = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export type Dtype = keyof typeof TYPES;

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(TYPES, name);
}

export function elementBytes(dtype: Dtype): number {
  return TYPES[dtype].BYTES_PER_ELEMENT;
}

/** Little-endian bytes as an array of this type; shares memory where the alignment allows it. */
export function rawArray(dtype: Dtype, bytes: RawArray): RawArray {
  const Type = TYPES[dtype];
  if (bytes instanceof Type) return bytes;
  const size = Type.BYTES_PER_ELEMENT;
  const count = Math.floor(bytes.byteLength / size);
  if (bytes.byteOffset % size === 0) return new Type(bytes.buffer, bytes.byteOffset, count);
  return new Type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * size));
}

/** Numbers of any type as float32; F32 is returned as it is. */
export function toFloats(dtype: Dtype, raw: RawArray): Float32Array<ArrayBuffer> {
  if (raw instanceof Float32Array) return raw;
  if (dtype === 'F16') return halfToFloat(raw as Uint16Array) as Float32Array<ArrayBuffer>;
  if (dtype === 'BF16') return bfloatToFloat(raw as Uint16Array) as Float32Array<ArrayBuffer>;
  const out = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = Number(raw[i]);
  return out;
}

/** A weight whose numbers are read anew each time they are asked for, and kept by nobody here. */
export function unheldFloats(shape: number[], dtype: Dtype, read: () => RawArray): NamedArray {
  return {
    shape,
    get data() {
      return toFloats(dtype, read());
    },
  };
}

/**
 * A weight whose numbers are widened to float32 when they are first used: 136 MB of halves stay 136 MB until then.
 * `data` may be replaced as on any object.
 */
export function lazyFloats(shape: number[], dtype: Dtype, raw: RawArray): NamedArray {
  if (raw instanceof Float32Array) return { shape, data: raw };
  let source: RawArray | undefined = raw;
  let floats: Float32Array | undefined;
  return {
    shape,
    get data() {
      if (!floats) {
        floats = toFloats(dtype, source!);
        source = undefined;
      }
      return floats;
    },
    set data(values) {
      floats = values;
      source = undefined;
    },
  };
}

/** The bytes of an array, not copied. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
