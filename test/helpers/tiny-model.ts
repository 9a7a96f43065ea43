import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { type ModelSpec, parseModelYaml } from '../../src/nn/model-yaml.js';
import { golden } from './golden.js';

/** The golden files' network: weights, description, class count all from the file. */
export function tinyModel(): { checkpoint: Checkpoint; spec: ModelSpec; file: ReturnType<typeof golden> } {
  const file = golden('model');
  const weights = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of file.tensors)
    if (name.startsWith('weights.')) weights.set(name.slice('weights.'.length), { shape, data: data as Float32Array });
  const spec = parseModelYaml(file.meta.yaml);
  const names = Array.from({ length: spec.nc }, (_, i) => `it's "${i}" é`);
  return { checkpoint: { weights, names, yaml: file.meta.yaml, info: { license: 'of the weights' } }, spec, file };
}
