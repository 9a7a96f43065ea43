/**
 * Parameters between files and tensors. A file keeps PyTorch's layout (convolution kernels OIHW), a tensor is HWIO.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.js';
import type { NamedArray } from '../core/types.js';
import type { ParameterSpec, Params } from './parameters.js';

/**
 * @param weights arrays by name, as a checkpoint has them
 * @param parameters what the network needs: each is checked, and entries that it doesn't have are left out; without it
 *   every array becomes a tensor
 * @returns tensors by name, which the caller disposes of
 * @throws UserError wrong-weights when one is missing or has another shape
 */
export function toTensors(weights: ReadonlyMap<string, NamedArray>, parameters?: readonly ParameterSpec[]): Params {
  for (const parameter of parameters ?? []) check(weights.get(parameter.name), parameter);
  const names = parameters?.map(({ name }) => name) ?? [...weights.keys()];
  return Object.fromEntries(names.map((name) => [name, toTensor(weights.get(name)!)]));
}

function toTensor(array: NamedArray): tf.Tensor {
  const { data, shape } = fromFile(array);
  return tf.tensor(data, shape);
}

/** An array of a file in a tensor's layout. */
export function fromFile({ data, shape }: NamedArray): NamedArray {
  if (shape.length !== 4) return { data, shape };
  const [o, i, h, w] = shape;
  return { data: oihwToHwio(data, [h, w, i, o]), shape: [h, w, i, o] };
}

/** Values of a parameter from a file, as a tensor has them. @throws UserError wrong-weights */
export function tensorValues(array: NamedArray | undefined, parameter: ParameterSpec): Float32Array {
  check(array, parameter);
  return fromFile(array).data;
}

/** An array in a tensor's layout as a file has it. */
export function toFile({ data, shape }: NamedArray): NamedArray {
  return { data: shape.length === 4 ? hwioToOihw(data, shape) : data, shape: fileShape(shape) };
}

/** The reverse of `toTensors`: reads all tensors from the engine. */
export function fromTensors(params: Params): Map<string, NamedArray> {
  const weights = new Map<string, NamedArray>();
  for (const [name, array] of Object.entries(toArrays(params))) weights.set(name, toFile(array));
  return weights;
}

/** The values of tensors, in their own layout. */
export function toArrays(params: Params): Record<string, NamedArray> {
  const read = (tensor: tf.Tensor): NamedArray => ({
    shape: [...tensor.shape],
    data: Float32Array.from(tensor.dataSync()),
  });
  return Object.fromEntries(Object.entries(params).map(([name, tensor]) => [name, read(tensor)]));
}

/** Shape in a file of a parameter with this shape as a tensor. */
export function fileShape(shape: readonly number[]): number[] {
  if (shape.length !== 4) return [...shape];
  const [h, w, i, o] = shape;
  return [o, i, h, w];
}

/** @param shape [h, w, i, o] of the result */
export function oihwToHwio(data: Float32Array, [h, w, i, o]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  const area = h * w;
  let from = 0;
  for (let q = 0; q < o; q++)
    for (let c = 0; c < i; c++) for (let p = 0; p < area; p++) out[(p * i + c) * o + q] = data[from++];
  return out;
}

/** @param shape [h, w, i, o] of the argument */
function hwioToOihw(data: Float32Array, [h, w, i, o]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  const area = h * w;
  let to = 0;
  for (let q = 0; q < o; q++)
    for (let c = 0; c < i; c++) for (let p = 0; p < area; p++) out[to++] = data[(p * i + c) * o + q];
  return out;
}

function check(array: NamedArray | undefined, { name, shape }: ParameterSpec): asserts array is NamedArray {
  const want = fileShape(shape);
  if (array === undefined)
    throw new UserError(
      'wrong-weights',
      `the weights have no '${name}', which the network needs`,
      'Do weights and model description belong together?',
    );
  if (array.shape.join() !== want.join())
    throw new UserError(
      'wrong-weights',
      `'${name}' has the shape [${array.shape}], but the network needs [${want}]`,
      'Do weights and model description belong together?',
    );
}
