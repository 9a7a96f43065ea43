/**
 * Folds each BatchNorm into the convolution before it, for inference:
 * w' = w·γ/√(σ² + ε), b' = β − μ·γ/√(σ² + ε). Computed in double precision.
 */
import type { NamedArray } from '../core/types.js';
import type { ModelSpec } from './model-yaml.js';
import { BN_EPS } from './ops.js';
import type { ParameterSpec } from './parameters.js';

/**
 * @param weights as in a checkpoint, kernels OIHW
 * @returns the weights without `NAME.bn.*`, with `NAME.conv.weight` scaled and `NAME.conv.bias` added, as in PyTorch's fused
 *   network; convolutions without BatchNorm are unchanged
 */
export function foldBatchNorm(weights: ReadonlyMap<string, NamedArray>): Map<string, NamedArray> {
  const folded = new Map<string, NamedArray>();
  for (const name of weights.keys()) {
    if (/\.bn\.(weight|bias|running_mean|running_var|num_batches_tracked)$/.test(name)) continue;
    folded.set(name, foldedArray(weights, name)!);
    const bias = name.replace(/\.conv\.weight$/, '.conv.bias');
    const array = bias === name ? undefined : foldedArray(weights, bias);
    if (array) folded.set(bias, array);
  }
  return folded;
}

/**
 * A single array of the result of `foldBatchNorm`, so that not all need to be in memory.
 * @param name e.g. `model.0.conv.weight`
 * @returns undefined if there is no such weight
 */
export function foldedArray(weights: ReadonlyMap<string, NamedArray>, name: string): NamedArray | undefined {
  const [, stem, part] = /^(.*)\.conv\.(weight|bias)$/.exec(name) ?? [];
  const norm = stem === undefined ? undefined : normOf(weights, stem);
  if (!norm) return weights.get(name);
  const { beta, mean, scale } = norm;
  if (part === 'bias')
    return { shape: [scale.length], data: Float32Array.from(scale, (s, o) => beta[o] - mean[o] * s) };
  const kernel = weights.get(name);
  return kernel && { shape: kernel.shape, data: scaled(kernel.data, scale) };
}

/** Multiplies each output channel of a kernel by its scale. @param kernel OIHW */
function scaled(kernel: Float32Array, scale: Float64Array): Float32Array {
  const data = new Float32Array(kernel.length);
  const each = data.length / scale.length; // values of one output channel
  for (let o = 0; o < scale.length; o++) {
    const s = scale[o];
    for (let i = o * each; i < (o + 1) * each; i++) data[i] = kernel[i] * s;
  }
  return data;
}

/** β, μ and γ/√(σ² + ε) of a BatchNorm by channel; undefined if there is none. */
function normOf(weights: ReadonlyMap<string, NamedArray>, stem: string) {
  const part = (key: string) => weights.get(`${stem}.bn.${key}`)?.data;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(part);
  if (!gamma || !beta || !mean || !variance) return undefined;
  return { beta, mean, scale: Float64Array.from(gamma, (g, o) => g / Math.sqrt(variance[o] + BN_EPS)) };
}

/**
 * Kernels of the convolutions whose input is the image, into which the scale 1/255 of the pixels can be folded.
 * @returns names of the kernels; empty if another module has the image as input
 */
export function imageKernels({ layers }: ModelSpec): string[] {
  const first = layers.filter(({ inputs }) => inputs.includes(-1));
  return first.every(({ module }) => module === 'Conv') ? first.map(({ name }) => `${name}.conv.weight`) : [];
}

/** Shape of the result of `foldedArray`. */
export function foldedShape(weights: ReadonlyMap<string, NamedArray>, name: string): number[] | undefined {
  const own = weights.get(name)?.shape;
  if (own || !name.endsWith('.conv.bias')) return own;
  return weights.get(name.replace(/conv\.bias$/, 'bn.bias'))?.shape;
}

/** Parameters of a network after `foldBatchNorm`. */
export function foldedParameters(parameters: readonly ParameterSpec[]): ParameterSpec[] {
  return parameters.flatMap((parameter) => {
    const [, stem, rest] = /^(.*)\.bn\.(.*)$/.exec(parameter.name) ?? [];
    if (stem === undefined) return [parameter];
    return rest === 'bias' ? [{ ...parameter, name: `${stem}.conv.bias` }] : [];
  });
}
