import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump } from 'js-yaml';
import { readYamlObject } from '../../src/cfg/yaml.js';
import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { type ModelSpec, parseModelYaml } from '../../src/nn/model-yaml.js';
import type { Arrayish } from './close.js';
import { golden, pick } from './golden.js';

const yaml = readYamlObject(fileURLToPath(new URL('../../cfg/models/yolo11.yaml', import.meta.url)), '');

/** The decoded values of golden model-v11 are up to 2e-4 off what its own logits give in double precision. */
export const DECODED = 4e-4;

export interface GoldenNetwork {
  /** `t` has narrow bottlenecks in C3k2 where the rows say so, `m` has C3k everywhere. */
  scale: string;
  spec: ModelSpec;
  checkpoint: Checkpoint;
  /** A tensor of this network in the golden file. */
  want(name: string): Arrayish;
  /** Names of its tensors that begin so. */
  names(start: string): string[];
}

/** The networks of golden model-v11; class count, scales and shapes from the file. */
export function goldenYolo11(): GoldenNetwork[] {
  const g = golden('model-v11');
  return Object.entries<number[]>(g.meta.scales).map(([scale, scaling]) => {
    const spec = parseModelYaml({ ...yaml, scales: { [scale]: scaling }, scale, nc: g.meta.nc });
    const want = (name: string) => pick(g, `${scale}.${name}`) as Arrayish;
    const own = [...g.tensors.keys()].filter((name) => name.startsWith(`${scale}.`)).map((name) => name.slice(2));
    const names = (start: string) => own.filter((name) => name.startsWith(start));
    const weights = new Map<string, NamedArray>(
      names('weights.').map((name) => [name.slice('weights.'.length), want(name) as NamedArray]),
    );
    const classes = Array.from({ length: spec.nc }, (_, i) => `class ${i}`);
    return { scale, spec, checkpoint: { weights, names: classes, yaml: spec.yaml, info: {} }, want, names };
  });
}

/** YOLO11 at a sixteenth of the width, for training in tests. @returns the description's file */
export function writeTinyYolo11(dir: string): string {
  const file = join(dir, 'yolo11t.yaml');
  writeFileSync(file, dump({ ...yaml, scales: { t: [0.5, 0.0625, 1024] } }));
  return file;
}
