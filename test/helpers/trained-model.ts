import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { type ModelSpec, parseModelYaml } from '../../src/nn/model-yaml.js';
import { golden, pick } from './golden.js';

export interface TrainedModel {
  checkpoint: Checkpoint;
  spec: ModelSpec;
  /** [B, H, W, 3] RGB bytes. */
  images: { data: Uint8Array; shape: [batch: number, height: number, width: number] };
  /** [B, 4 + K, A] what the reference makes of them: xywh in pixels, then scores. */
  decoded: Output;
  /** [B, 4 + K, A'] the same with test-time augmentation. */
  augmented: Output;
}

type Output = { data: Float32Array; shape: [number, number, number] };

/**
 * A tiny trained network, whose answers depend on the image, with images and the reference's answers. Those of golden/model
 * are the same for every image: what only looks at them is blind for everything before the last layers.
 */
export function trainedModel(): TrainedModel {
  const file = golden('../fixtures/trained-network');
  const weights = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of file.tensors)
    if (name.startsWith('weights.')) weights.set(name.slice('weights.'.length), { shape, data: data as Float32Array });
  const spec = parseModelYaml(file.meta.yaml);
  const names = Array.from({ length: spec.nc }, (_, i) => `it's "${i}" é`);
  const images = pick(file, 'images');
  const output = (name: string): Output => {
    const { data, shape } = pick(file, name);
    return { data: data as Float32Array, shape: shape as Output['shape'] };
  };
  return {
    checkpoint: { weights, names, yaml: file.meta.yaml, info: { license: 'of the weights' } },
    spec,
    images: { data: images.data as Uint8Array, shape: images.shape.slice(0, 3) as [number, number, number] },
    decoded: output('decoded'),
    augmented: output('augmented'),
  };
}
