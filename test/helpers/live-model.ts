import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { golden } from './golden.js';
import { tinyModel } from './tiny-model.js';

/**
 * The golden network with trained weights, whose answers depend on the image (those of golden/model hardly do: what is
 * compared on them is the same for every image), and a class branch that speaks up: some scores are high, most are low.
 */
export function liveModel(gain = 3, bias = -1): Checkpoint {
  const { checkpoint, spec } = tinyModel();
  const weights = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of golden('training').tensors)
    if (name.startsWith('init.')) weights.set(name.slice('init.'.length), { shape, data: data as Float32Array });
  for (const level of spec.strides.keys()) {
    const name = `model.${spec.head.index}.cv3.${level}.2`;
    const kernel = weights.get(`${name}.weight`)!;
    weights.set(`${name}.weight`, { ...kernel, data: kernel.data.map((x) => x * gain) });
    const offset = weights.get(`${name}.bias`)!;
    weights.set(`${name}.bias`, { ...offset, data: offset.data.map(() => bias) });
  }
  return { ...checkpoint, weights };
}
