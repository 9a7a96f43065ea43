/**
 * Folds each BatchNorm into the convolution before it, for inference:
 * w' = w·γ/√(σ² + ε), b' = β − μ·γ/√(σ² + ε). Computed in double precision.
 */
import type { NamedArray } from '../core/types.js';
import type { ModelSpec } from './model-yaml.js';
import { BN_EPS } from './ops.js';
import type { ParameterSpec } from './parameters.js';

/**
 * @param weights as in a checkpoint, OIHW
 * @returns the same with `NAME.bn.*` gone, `NAME.conv.weight` scaled and `NAME.conv.bias` added; names follow PyTorch's
 *   fused network. What has no BatchNorm is passed on as it is.
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
 * One array of what `foldBatchNorm` gives, for those who take one after the other and don't want to hold all.
 * @param name e.g. `model.0.conv.weight`
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

/** Each output channel of a kernel times its scale. @param kernel OIHW */
function scaled(kernel: Float32Array, scale: Float64Array): Float32Array {
  const data = new Float32Array(kernel.length);
  const each = data.length / scale.length; // values of one output channel
  for (let o = 0; o < scale.length; o++) {
    const s = scale[o];
    for (let i = o * each; i < (o + 1) * each; i++) data[i] = kernel[i] * s;
  }
  return data;
}

/** A BatchNorm's offset and mean, and γ/√(σ² + ε), by channel; undefined where there is none. */
function normOf(weights: ReadonlyMap<string, NamedArray>, stem: string) {
  const part = (key: string) => weights.get(`${stem}.bn.${key}`)?.data;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(part);
  if (!gamma || !beta || !mean || !variance) return undefined;
  return { beta, mean, scale: Float64Array.from(gamma, (g, o) => g / Math.sqrt(variance[o] + BN_EPS)) };
}

/**
 * The convolutions that see the image: the factor 1/255 of its values can go into their kernels. (Padding is 0 in both
 * scales.)
 * @returns names of the kernels; none when something else than a convolution sees the image, too
 */
export function imageKernels({ layers }: ModelSpec): string[] {
  const first = layers.filter(({ inputs }) => inputs.includes(-1));
  return first.every(({ module }) => module === 'Conv') ? first.map(({ name }) => `${name}.conv.weight`) : [];
}

/** Shape of what `foldedArray` gives. */
export function foldedShape(weights: ReadonlyMap<string, NamedArray>, name: string): number[] | undefined {
  const own = weights.get(name)?.shape;
  if (own || !name.endsWith('.conv.bias')) return own;
  return weights.get(name.replace(/conv\.bias$/, 'bn.bias'))?.shape;
}

/** What `foldBatchNorm` leaves of a network's parameters. */
export function foldedParameters(parameters: readonly ParameterSpec[]): ParameterSpec[] {
  return parameters.flatMap((parameter) => {
    const [, stem, rest] = /^(.*)\.bn\.(.*)$/.exec(parameter.name) ?? [];
    if (stem === undefined) return [parameter];
    return rest === 'bias' ? [{ ...parameter, name: `${stem}.conv.bias` }] : [];
  });
}
