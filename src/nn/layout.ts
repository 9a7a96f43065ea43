/** Conversion of parameters between the layout of files, PyTorch's (kernels OIHW), and that of tensors (HWIO). */
import { UserError } from '../core/errors.js';
import type { NamedArray } from '../core/types.js';
import type { ParameterSpec } from './parameters.js';

/** @returns an array from a file in the layout of tensors */
export function fromFile({ data, shape }: NamedArray): NamedArray {
  if (shape.length !== 4) return { data, shape };
  const [o, i, h, w] = shape;
  return { data: oihwToHwio(data, [h, w, i, o]), shape: [h, w, i, o] };
}

/**
 * @param array of the parameter, from a file
 * @returns its values in the layout of tensors
 * @throws UserError 'wrong-weights' if it is missing or has another shape
 */
export function tensorValues(array: NamedArray | undefined, parameter: ParameterSpec): Float32Array {
  check(array, parameter);
  return fromFile(array).data;
}

/** @returns an array from a tensor in the layout of files */
export function toFile({ data, shape }: NamedArray): NamedArray {
  return { data: shape.length === 4 ? permuted(data, shape, false) : data, shape: fileShape(shape) };
}

/** @param shape of a tensor @returns the shape in a file */
export function fileShape(shape: readonly number[]): number[] {
  if (shape.length !== 4) return [...shape];
  const [h, w, i, o] = shape;
  return [o, i, h, w];
}

/** Output channels that are copied together: they fill a line of the processor's cache. */
const LINE = 16;

/** @param data OIHW @param shape [h, w, i, o] of the result */
export function oihwToHwio(data: Float32Array, shape: readonly number[]): Float32Array {
  return permuted(data, shape, true);
}

/** @param shape [h, w, i, o] of HWIO @param toHwio from OIHW; otherwise the reverse */
function permuted(data: Float32Array, [h, w, i, o]: readonly number[], toHwio: boolean): Float32Array {
  const out = new Float32Array(data.length);
  const area = h * w;
  const each = i * area; // values of one output channel
  for (let first = 0; first < o; first += LINE) {
    const end = Math.min(first + LINE, o);
    for (let c = 0; c < i; c++) {
      for (let p = 0; p < area; p++) {
        const oihw = c * area + p;
        const hwio = (p * i + c) * o;
        if (toHwio) for (let q = first; q < end; q++) out[hwio + q] = data[oihw + q * each];
        else for (let q = first; q < end; q++) out[oihw + q * each] = data[hwio + q];
      }
    }
  }
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
