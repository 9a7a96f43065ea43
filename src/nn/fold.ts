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
  for (const [name, array] of weights) {
    if (/\.bn\.(weight|bias|running_mean|running_var|num_batches_tracked)$/.test(name)) continue;
    const stem = name.replace(/\.conv\.weight$/, '');
    const part = (key: string) => weights.get(`${stem}.bn.${key}`)?.data;
    const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(part);
    if (stem === name || !gamma || !beta || !mean || !variance) {
      folded.set(name, array);
      continue;
    }
    const kernel = array.data; // asked for once: it may be read from the file each time
    const data = new Float32Array(kernel.length);
    const bias = new Float32Array(gamma.length);
    const each = data.length / gamma.length; // values of one output channel
    for (let o = 0; o < gamma.length; o++) {
      const scale = gamma[o] / Math.sqrt(variance[o] + BN_EPS);
      bias[o] = beta[o] - mean[o] * scale;
      for (let i = o * each; i < (o + 1) * each; i++) data[i] = kernel[i] * scale;
    }
    folded.set(name, { shape: array.shape, data });
    folded.set(`${stem}.conv.bias`, { shape: [gamma.length], data: bias });
  }
  return folded;
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

/**
 * One array of what `foldBatchNorm` gives, for those who take one after the other and don't want to hold all.
 * @param name e.g. `model.0.conv.weight`
 */
export function foldedArray(weights: ReadonlyMap<string, NamedArray>, name: string): NamedArray | undefined {
  const stem = name.replace(/\.conv\.(weight|bias)$/, '');
  const keys = ['conv.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'].map((k) => `${stem}.${k}`);
  const own = [name, ...keys].flatMap((key): [string, NamedArray][] => {
    const array = weights.get(key);
    return array ? [[key, array]] : [];
  });
  return foldBatchNorm(new Map(own)).get(name);
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
