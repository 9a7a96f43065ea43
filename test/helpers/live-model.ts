import type { Checkpoint } from '../../src/core/types.js';
import { trainedModel } from './trained-model.js';

/** The trained network with a class branch that speaks up: on any image some scores are high, most are low. */
export function liveModel(gain = 3, bias = -1): Checkpoint {
  const { checkpoint, spec } = trainedModel();
  const weights = new Map(checkpoint.weights);
  for (const level of spec.strides.keys()) {
    const name = `model.${spec.head.index}.cv3.${level}.2`;
    const kernel = weights.get(`${name}.weight`)!;
    weights.set(`${name}.weight`, { ...kernel, data: kernel.data.map((x) => x * gain) });
    const offset = weights.get(`${name}.bias`)!;
    weights.set(`${name}.bias`, { ...offset, data: offset.data.map(() => bias) });
  }
  return { ...checkpoint, weights };
}
