/**
 * The model description of a checkpoint: normalized if the file contains one, else (a bare state dict) recognized by the
 * shapes of the weights.
 */
import { UserError } from '../core/errors.js';
import type { Checkpoint, NamedArray } from '../core/types.js';
import { costOf } from './cost.js';
import { fileShape } from './layout.js';
import { packagedModels } from './model-source.js';
import { type ModelSpec, parseModelYaml } from './model-yaml.js';
import type { ParameterSpec } from './parameters.js';

type Yaml = Record<string, unknown>;

/**
 * Converts a description to the form of cfg/models/yolov8.yaml, with `scales` and `scale`. The first checkpoints of YOLOv8
 * contain `depth_multiple` and `width_multiple` instead, and the letter of the scale only in the name of the YAML file.
 */
export function normalizeYaml(yaml: Yaml, yamlFile: unknown): Yaml {
  const { depth_multiple: depth, width_multiple: width, max_channels: max, ...rest } = yaml;
  if (rest.scales || typeof depth !== 'number' || typeof width !== 'number') return yaml;
  const letter = /\dv?([nsmlx])(?:-[\w-]+)?\.ya?ml$/.exec(String(yamlFile ?? rest.yaml_file ?? ''))?.[1] ?? 'custom';
  return { ...rest, scales: { [letter]: [depth, width, typeof max === 'number' ? max : 1024] }, scale: letter };
}

/** Removes prefixes of wrapper modules from the names: DataParallel's `module.`, the YOLO object's second `model.`. */
export function cleanWeightNames<T>(weights: Map<string, T>): Map<string, T> {
  let prefix = '';
  const names = [...weights.keys()];
  for (const wrapper of ['module.', 'model.', 'ema.']) {
    const longer = prefix + wrapper;
    if (names.length && names.every((n) => n.startsWith(`${longer}model.`))) prefix = longer;
  }
  // A bare Sequential: '0.conv.weight' instead of 'model.0.conv.weight'.
  const add = names.length && names.every((n) => /^\d+\./.test(n)) ? 'model.' : '';
  if (!prefix && !add) return weights;
  return new Map([...weights].map(([name, array]) => [add + name.slice(prefix.length), array]));
}

/**
 * Parses the model description of a checkpoint. The number of classes and the hidden width of the class branch are taken from
 * the weights, since fine-tuning keeps the width of the weights it started from.
 * @param where name of the file, for messages
 * @throws UserError 'wrong-model' if there is no description and the weights match none of this package; as parseModelYaml
 */
export function specOf(checkpoint: Checkpoint, where = 'the checkpoint'): ModelSpec {
  const { weights } = checkpoint;
  const yaml = checkpoint.yaml ?? recognize(weights, where);
  const head = headOf(weights);
  const scale = typeof yaml.scale === 'string' ? yaml.scale : undefined;
  return parseModelYaml(yaml, { scale, nc: head?.nc, headHidden: head?.headHidden });
}

/** Number of classes and hidden width of the class branch, from the shapes of the head. */
function headOf(weights: Map<string, NamedArray>): { nc: number; headHidden: number } | undefined {
  for (const [name, { shape }] of weights)
    if (/^model\.\d+\.cv3\.0\.2\.weight$/.test(name)) return { nc: shape[0], headHidden: shape[1] };
  return undefined;
}

/** The packaged description, with its scale, whose network has exactly these weights. */
function recognize(weights: Map<string, NamedArray>, where: string): Yaml {
  const head = headOf(weights);
  const known = packagedModels();
  for (const { file, scales } of head ? known : []) {
    for (const scale of scales) {
      const spec = parseModelYaml(file, { scale, ...head });
      const { parameters } = costOf(spec);
      const fits = ({ name, shape }: ParameterSpec) => weights.get(name)?.shape.join() === fileShape(shape).join();
      if (parameters.every(fits)) return spec.yaml;
    }
  }
  const some = [...weights.keys()].slice(0, 3).join(', ');
  const ours = known.map(({ file, scales }) => `${file} (${scales.join(', ')})`).join(', ');
  throw new UserError(
    'wrong-model',
    `${where} has no description of its network, and its weights (${some || 'none'} …) are not those of ${ours}`,
    'give a checkpoint that contains its model YAML, or the .pt file of ultralytics',
  );
}
