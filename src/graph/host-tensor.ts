/** Tensors as typed arrays in JavaScript's memory: the inputs and outputs of a session. */
import { type ElementType, TYPE_NUMBER } from './graph.js';

interface Arrays {
  float32: Float32Array;
  int32: Int32Array;
  uint8: Uint8Array;
  int64: BigInt64Array;
  /** 0 or 1. */
  bool: Uint8Array;
  /** Bits. */
  bfloat16: Uint16Array;
  float16: Uint16Array;
}

/** Element types with a typed array. */
export type HostType = keyof Arrays & ElementType;

/** A tensor in JavaScript's memory. */
export interface HostTensor<T extends HostType = HostType> {
  dtype: T;
  shape: readonly number[];
  data: Arrays[T];
}

/** Static type of a tensor: −1 for an unknown dimension, null for an unknown rank. */
export interface TensorType {
  dtype: ElementType;
  shape: readonly number[] | null;
}

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
} as const;

const NAMES = new Map(Object.entries(TYPE_NUMBER).map(([name, number]) => [number, name as ElementType]));

/** The element type with this number in TensorFlow's types.proto. @throws Error for an unsupported one */
export function typeName(number: number): ElementType {
  const name = NAMES.get(number);
  if (name) return name;
  throw new Error(`TensorFlow's element type ${number} is not supported`);
}

/** A tensor that views a buffer with its values. @throws Error for element types without a typed array (string) */
export function hostTensor(dtype: ElementType, shape: readonly number[], buffer: ArrayBuffer): HostTensor {
  if (!(dtype in ARRAYS)) throw new Error(`a tensor of type ${dtype} cannot be converted to an array`);
  const type = dtype as HostType;
  return { dtype: type, shape, data: new ARRAYS[type](buffer) };
}

/** The values of a tensor. @throws Error when its element type is not `dtype` */
export function valuesOf<T extends HostType>(tensor: HostTensor, dtype: T): Arrays[T] {
  if (tensor.dtype !== dtype) throw new Error(`expected a tensor of type ${dtype}, got ${tensor.dtype}`);
  return (tensor as HostTensor<T>).data;
}

/**
 * Verifies type and shape of a fed value; TensorFlow itself checks only the type.
 * @param where for the message: "'images' of step"
 * @throws Error when element type, shape, array type or number of values differ
 */
export function verifyFeed(value: HostTensor, expected: TensorType, where: string): void {
  const { dtype, shape, data } = value;
  if (dtype !== expected.dtype || !fits(shape, expected.shape)) {
    throw new Error(`${where}: expected ${describe(expected)}, got ${describe({ dtype, shape })}`);
  }
  if (!(data instanceof ARRAYS[dtype])) {
    throw new Error(
      `${where}: values of type ${dtype} come in a ${ARRAYS[dtype].name}, got ${Object(data).constructor.name}`,
    );
  }
  const size = shape.reduce((a, b) => a * b, 1);
  if (data.length !== size) throw new Error(`${where}: [${shape}] has ${size} values, got ${data.length}`);
}

function fits(shape: readonly number[], expected: readonly number[] | null): boolean {
  if (!shape.every((d) => Number.isSafeInteger(d) && d >= 0)) return false;
  if (expected === null) return true;
  return shape.length === expected.length && shape.every((d, i) => expected[i] === -1 || expected[i] === d);
}

/** 'float32 [?, 3]' */
function describe({ dtype, shape }: TensorType): string {
  return `${dtype} ${shape === null ? 'of any shape' : `[${shape.map((d) => (d === -1 ? '?' : d)).join(', ')}]`}`;
}
