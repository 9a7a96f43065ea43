/**
 * The description of the network that belongs to some weights: tidied when the file brings one, recognised from the shapes
 * when it doesn't (a bare state dict).
 */
import { type ModelSpec, parseModelYaml } from '../cfg/model-yaml.js';
import { UserError } from '../core/errors.js';
import type { Checkpoint, NamedArray } from '../core/types.js';

type Yaml = Record<string, unknown>;

/**
 * The first checkpoints of YOLOv8 name their scaling outright (`depth_multiple`, `width_multiple`); the scale's letter is in
 * the name of the file they were made from. Turned into the form of cfg/models/yolov8.yaml: `scales` and `scale`.
 */
export function normalizeYaml(yaml: Yaml, yamlFile: unknown): Yaml {
  const { depth_multiple: depth, width_multiple: width, max_channels: most, yaml_file: inside, ...rest } = yaml;
  if (rest.scales || typeof depth !== 'number' || typeof width !== 'number') return yaml;
  const letter = /\dv?([nsmlx])(?:-[\w-]+)?\.ya?ml$/.exec(String(yamlFile ?? inside ?? ''))?.[1] ?? 'custom';
  return { ...rest, scales: { [letter]: [depth, width, typeof most === 'number' ? most : 1024] }, scale: letter };
}

/** Prefixes that wrappers put before the names: DataParallel's `module.`, the YOLO object's second `model.`. */
export function cleanWeightNames(weights: Map<string, NamedArray>): Map<string, NamedArray> {
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
 * The network of a checkpoint, ready to be built. Class count and the hidden width of the class branch are those of the
 * weights: fine-tuning keeps the width of the weights it started from.
 * @param where name of the file, for messages
 * @throws UserError 'wrong-model' when the weights are not YOLOv8's
 */
export function specOf(checkpoint: Checkpoint, where = 'the checkpoint'): ModelSpec {
  const { weights } = checkpoint;
  const yaml = checkpoint.yaml ?? recognize(weights, where);
  const head = headOf(weights);
  const scale = typeof yaml.scale === 'string' ? yaml.scale : undefined;
  return parseModelYaml(yaml, { scale, nc: head?.nc, headHidden: head?.headHidden });
}

/** Class count and hidden width of the class branch, from the shapes of the head. */
export function headOf(weights: Map<string, NamedArray>): { nc: number; headHidden: number } | undefined {
  for (const [name, { shape }] of weights)
    if (/^model\.\d+\.cv3\.0\.2\.weight$/.test(name)) return { nc: shape[0], headHidden: shape[1] };
  return undefined;
}

/** cfg/models/yolov8.yaml with the scale whose network has exactly these weights. */
function recognize(weights: Map<string, NamedArray>, where: string): Yaml {
  const head = headOf(weights);
  const first = weights.get('model.0.conv.weight')?.shape[0];
  for (const scale of head ? ['n', 's', 'm', 'l', 'x'] : []) {
    const spec = parseModelYaml(`yolov8${scale}.yaml`, { nc: head!.nc, headHidden: head!.headHidden });
    const last = spec.layers.filter((l) => l.module === 'C2f').at(-1)!;
    const same =
      spec.layers[0].outChannels === first &&
      weights.get(`model.${last.index}.cv2.conv.weight`)?.shape[0] === last.outChannels &&
      weights.has(`model.${last.index}.m.${last.repeats - 1}.cv1.conv.weight`) &&
      !weights.has(`model.${last.index}.m.${last.repeats}.cv1.conv.weight`);
    if (same) return spec.yaml;
  }
  const some = [...weights.keys()].slice(0, 3).join(', ');
  throw new UserError(
    'wrong-model',
    `${where} has no description of its network, and its weights (${some || 'none'} …) are not those of YOLOv8 n, s, m, l or x`,
    'give a checkpoint that holds its model YAML, or the .pt file of ultralytics',
  );
}
