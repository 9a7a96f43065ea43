/**
 * Data types of model files, by safetensors' names, and typed arrays for them. F16 and BF16 are represented as their bits in
 * a Uint16Array.
 */
import type { NamedArray } from '../core/types.js';
import { bfloatToFloat, halfToFloat } from './half.js';

/** Typed array of any Dtype. */
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

/** Data type, by safetensors' name. */
export type Dtype = keyof typeof TYPES;

/** Whether a value is the name of a Dtype. */
export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(TYPES, name);
}

/** Bytes per element. */
export function elementBytes(dtype: Dtype): number {
  return TYPES[dtype].BYTES_PER_ELEMENT;
}

/** Little-endian bytes as an array of this type; shares memory if the alignment allows it. */
export function rawArray(dtype: Dtype, bytes: RawArray): RawArray {
  const Type = TYPES[dtype];
  if (bytes instanceof Type) return bytes;
  const size = Type.BYTES_PER_ELEMENT;
  const count = Math.floor(bytes.byteLength / size);
  if (bytes.byteOffset % size === 0) return new Type(bytes.buffer, bytes.byteOffset, count);
  return new Type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * size));
}

/** Converts data of any type to float32; F32 is returned unchanged. */
export function toFloats(dtype: Dtype, raw: RawArray): Float32Array<ArrayBuffer> {
  if (raw instanceof Float32Array) return raw;
  if (dtype === 'F16') return halfToFloat(raw as Uint16Array) as Float32Array<ArrayBuffer>;
  if (dtype === 'BF16') return bfloatToFloat(raw as Uint16Array) as Float32Array<ArrayBuffer>;
  const out = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = Number(raw[i]);
  return out;
}

/** A weight whose data is read and converted to float32 at each access, and not kept. */
export function unheldFloats(shape: number[], dtype: Dtype, read: () => RawArray): NamedArray {
  return {
    shape,
    get data() {
      return toFloats(dtype, read());
    },
  };
}

/**
 * A weight whose data is converted to float32 at the first access: until then half precision takes half the memory.
 * `data` may be assigned.
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

/** The bytes of an array, without a copy. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
