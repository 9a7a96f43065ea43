/**
 * The network as a list of typed layers, read from a YAML description in the form that YOLOv8 made common:
 * `nc`, `scales` and rows `[from, repeats, module, arguments]` under `backbone` and `head`. What comes out is plain data:
 * channels scaled, indices absolute, shapes of the head known. The network, its summary and the exporters walk it.
 */

import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { type LayerModule, otherTask, readModule, type Scaling, supportedModules } from './model-modules.js';
import { readModelSource, type YamlObject } from './model-source.js';

export type { C2fArgs, ConvArgs, DetectArgs, LayerModule, SppfArgs } from './model-modules.js';

/** One row of the description. */
export type LayerSpec = LayerModule & {
  index: number;
  /** As in the file: −1 is the layer before. */
  from: number | number[];
  /** Absolute indices of the layers it takes; −1 is the picture. */
  inputs: number[];
  /** Repeats after scaling: bottlenecks of a C2f, 1 for all others. */
  repeats: number;
  /** Channels of each input. */
  inChannels: number[];
  /** Channels of the output (of a Detect: 4R + K). */
  outChannels: number;
  /** Pixels of the picture to a step of the output (of a Detect: of its first level). */
  stride: number;
};

export interface ModelSpec {
  /** Number of classes, K. */
  nc: number;
  /** Channels of the picture. */
  channels: number;
  /** Name of the chosen scale, when the file has scales. */
  scale?: string;
  layers: LayerSpec[];
  /** The last layer. */
  head: Extract<LayerSpec, { module: 'Detect' }>;
  /** Strides of the head's levels, e.g. [8, 16, 32]. */
  strides: number[];
  /** Height and width of a picture must be multiples of this: the largest stride of all layers. */
  stride: number;
  /** The description with `nc` and `scale` set: what a checkpoint keeps; parsing it gives this spec again. */
  yaml: YamlObject;
}

export interface ModelOptions {
  /** Name of an entry of `scales`; else the one in the file's name, else the file's `scale`, else its first. */
  scale?: string;
  /** Number of classes; else the file's. */
  nc?: number;
  /** Channels of the picture; else the file's, else 3. */
  channels?: number;
  /** Hidden width of the class branch; else the file's `head_hidden`, else max(C3, min(K, 100)). Fine-tuning keeps that of the weights it starts from. */
  headHidden?: number;
}

type Row = { from: number | number[]; repeats: number; module: string; args: unknown[] };

/**
 * @param source path or name (`yolov8n.yaml`), YAML text, or the parsed object
 * @throws UserError for a file that isn't there or doesn't describe a network that can be built
 */
export function parseModelYaml(source: string | YamlObject, options: ModelOptions = {}): ModelSpec {
  const { yaml, where, scale: named } = readModelSource(source);
  const asked = options.scale ?? named ?? (yaml.scale === undefined ? undefined : String(yaml.scale));
  refuseOtherKinds(yaml, where);
  const { scale, scaling } = chooseScale(yaml, asked, where);
  const nc = positiveInteger(options.nc ?? yaml.nc ?? 80, 'nc', where);
  const channels = positiveInteger(options.channels ?? yaml.channels ?? yaml.ch ?? 3, 'channels', where);
  const rows = [...rowsOf(yaml, 'backbone', where), ...rowsOf(yaml, 'head', where)];
  const headHidden = options.headHidden ?? optionalInteger(yaml.head_hidden, 'head_hidden', where);
  const layers: LayerSpec[] = [];
  for (const row of rows) layers.push(layerOf(row, layers, { nc, channels, scaling, headHidden, where }));
  const head = layers.at(-1);
  if (head?.module !== 'Detect' || layers.filter((layer) => layer.module === 'Detect').length !== 1)
    throw new UserError('bad-model', `${where}: the last row, and only that, should be a Detect`);
  const stride = Math.max(...layers.map((layer) => layer.stride), ...head.args.strides);
  const kept = {
    ...yaml,
    nc,
    ...(scale === undefined ? {} : { scale }),
    ...(channels === 3 ? {} : { channels }),
    ...(headHidden === undefined ? {} : { head_hidden: headHidden }),
  };
  return { nc, channels, scale, layers, head, strides: head.args.strides, stride, yaml: kept };
}

interface Context {
  nc: number;
  channels: number;
  headHidden?: number;
  scaling: Scaling;
  where: string;
}

function layerOf(row: Row, before: LayerSpec[], context: Context): LayerSpec {
  const index = before.length;
  const where = `${context.where}, row ${index} (${row.module})`;
  const inputs = (Array.isArray(row.from) ? row.from : [row.from]).map((from) => {
    const absolute = from < 0 ? index + from : from;
    if (absolute < -1 || absolute >= index || (absolute === -1 && index > 0))
      throw new UserError('bad-model', `${where}: takes layer ${from}, but only 0 to ${index - 1} come before it`);
    return absolute;
  });
  const inChannels = inputs.map((i) => (i < 0 ? context.channels : before[i].outChannels));
  const inStrides = inputs.map((i) => (i < 0 ? 1 : before[i].stride));
  const { nc, scaling, headHidden } = context;
  const { layer, outChannels, stride, repeats } = readModule(row, {
    inChannels,
    inStrides,
    nc,
    scaling,
    headHidden,
    where,
  });
  return { ...layer, index, from: row.from, inputs, repeats, inChannels, outChannels, stride };
}

function rowsOf(yaml: YamlObject, key: 'backbone' | 'head', where: string): Row[] {
  const list = yaml[key];
  if (!Array.isArray(list) || list.length === 0)
    throw new UserError(
      'bad-model',
      `${where}: '${key}' should be a list of rows [from, repeats, module, arguments], but is ${list === undefined ? 'missing' : 'not one'}`,
      'cfg/models/yolov8.yaml shows the form',
    );
  return list.map((row: unknown, i) => {
    const [from, repeats, module, args] = Array.isArray(row) ? row : [];
    const indices = Array.isArray(from) ? from : [from];
    if (
      !indices.every(Number.isInteger) ||
      !Number.isInteger(repeats) ||
      repeats < 1 ||
      typeof module !== 'string' ||
      !Array.isArray(args)
    )
      throw new UserError(
        'bad-model',
        `${where}: row ${i} of '${key}' should be [from, repeats, module, arguments], but is ${JSON.stringify(row)}`,
      );
    return { from, repeats, module, args };
  });
}

function chooseScale(yaml: YamlObject, asked: string | undefined, where: string): { scale?: string; scaling: Scaling } {
  if (yaml.scales === undefined || yaml.scales === null) {
    // Without `scales` a file may name one scaling outright.
    const depth = positiveNumber(yaml.depth_multiple ?? 1, 'depth_multiple', where);
    const width = positiveNumber(yaml.width_multiple ?? 1, 'width_multiple', where);
    const maxChannels = positiveNumber(yaml.max_channels ?? Number.POSITIVE_INFINITY, 'max_channels', where);
    return { scaling: { depth, width, maxChannels } };
  }
  const scales = yaml.scales as Record<string, unknown>;
  const names = typeof scales === 'object' && !Array.isArray(scales) ? Object.keys(scales) : [];
  if (names.length === 0)
    throw new UserError('bad-model', `${where}: 'scales' should hold entries name: [depth, width, max_channels]`);
  const scale = asked ?? names[0];
  if (asked === undefined && names.length > 1)
    log.warn(`${where}: no scale was chosen; taking '${scale}', the first of ${names.join(', ')}`);
  if (!names.includes(scale))
    throw new UserError('bad-model', `${where}: there is no scale '${scale}'; there is ${names.join(', ')}`);
  const entry = scales[scale];
  if (!Array.isArray(entry) || entry.length !== 3)
    throw new UserError(
      'bad-model',
      `${where}: scale '${scale}' should be [depth, width, max_channels], but is ${JSON.stringify(entry)}`,
    );
  const [depth, width, maxChannels] = entry.map((value, i) =>
    positiveNumber(value, `${['depth', 'width', 'max_channels'][i]} of scale '${scale}'`, where),
  );
  return { scale, scaling: { depth, width, maxChannels } };
}

/** A description may be a network of another task or generation; better said here than found in its twentieth row. */
function refuseOtherKinds(yaml: YamlObject, where: string): void {
  for (const list of [yaml.backbone, yaml.head]) {
    for (const row of Array.isArray(list) ? list : []) {
      const module = Array.isArray(row) ? String(row[2]) : '';
      const task = otherTask(module);
      if (task)
        throw new UserError(
          'wrong-task',
          `${where} describes a network for ${task} (${module}); this tool does detection`,
        );
    }
  }
  if (yaml.activation !== undefined && !/silu/i.test(String(yaml.activation)))
    throw new UserError(
      'bad-model',
      `${where}: activation '${yaml.activation}' is not supported; this network uses SiLU`,
    );
  if (yaml.reg_max !== undefined && yaml.reg_max !== 16)
    throw new UserError('bad-model', `${where}: reg_max ${yaml.reg_max} is not supported; YOLOv8 has 16 bins a side`);
  if (yaml.end2end)
    throw new UserError('bad-model', `${where}: an end-to-end head is not supported; modules are ${supportedModules}`);
}

function positiveNumber(value: unknown, name: string, where: string): number {
  if (typeof value !== 'number' || !(value > 0))
    throw new UserError('bad-model', `${where}: ${name} should be a number above 0, but is ${JSON.stringify(value)}`);
  return value;
}

function optionalInteger(value: unknown, name: string, where: string): number | undefined {
  return value === undefined ? undefined : positiveInteger(value, name, where);
}

function positiveInteger(value: unknown, name: string, where: string): number {
  if (!Number.isInteger(value) || (value as number) < 1)
    throw new UserError(
      'bad-model',
      `${where}: ${name} should be a whole number above 0, but is ${JSON.stringify(value)}`,
    );
  return value as number;
}
