/** Validation of a model description before its modules are parsed: rows, scale, task. */
import type { YamlObject } from '../cfg/yaml.js';
import { brief, cut } from '../core/brief.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Scaling } from './modules/module.js';
import { otherTask, supportedModules } from './modules/registry.js';

/** A row `[from, repeats, module, arguments]`. */
export interface RawRow {
  from: number | number[];
  repeats: number;
  module: string;
  args: unknown[];
}

/** @returns the rows under `backbone` or `head` @throws UserError 'bad-model' if they are missing or malformed */
export function rowsOf(yaml: YamlObject, key: 'backbone' | 'head', where: string): RawRow[] {
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
        `${where}: row ${i} of '${key}' should be [from, repeats, module, arguments], but is ${brief(row)}`,
      );
    return { from, repeats, module, args };
  });
}

/**
 * @param asked name of the scale; without it the first one is used, with a warning
 * @returns its name, and factors of depth and width
 * @throws UserError 'bad-model' if there is no such scale or it is malformed
 */
export function chooseScale(
  yaml: YamlObject,
  asked: string | undefined,
  where: string,
): { scale?: string; scaling: Scaling } {
  if (yaml.scales === undefined || yaml.scales === null) {
    // A file without `scales` may contain the factors themselves.
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
    log.warn(`${where}: no scale was given; using '${scale}', the first of ${listed(names)}`);
  if (!names.includes(scale))
    throw new UserError('bad-model', `${where}: there is no scale '${cut(scale)}'; there is ${listed(names)}`);
  const entry = scales[scale];
  if (!Array.isArray(entry) || entry.length !== 3)
    throw new UserError(
      'bad-model',
      `${where}: scale '${scale}' should be [depth, width, max_channels], but is ${brief(entry)}`,
    );
  const [depth, width, maxChannels] = entry.map((value, i) =>
    positiveNumber(value, `${['depth', 'width', 'max_channels'][i]} of scale '${scale}'`, where),
  );
  return { scale, scaling: { depth, width, maxChannels } };
}

/**
 * Refuses networks of other tasks and unsupported settings, before an error in one of the rows.
 * @throws UserError 'wrong-task', 'bad-model'
 */
export function refuseOtherKinds(yaml: YamlObject, where: string): void {
  for (const list of [yaml.backbone, yaml.head]) {
    for (const row of Array.isArray(list) ? list : []) {
      const module = Array.isArray(row) && typeof row[2] === 'string' ? row[2] : '';
      const task = otherTask(module);
      if (task)
        throw new UserError(
          'wrong-task',
          `${where} describes a network for ${task} (${brief(module)}); this tool does detection`,
        );
    }
  }
  if (yaml.activation !== undefined && !(typeof yaml.activation === 'string' && /silu/i.test(yaml.activation)))
    throw new UserError(
      'bad-model',
      `${where}: activation ${brief(yaml.activation)} is not supported; this network uses SiLU`,
    );
  if (yaml.reg_max !== undefined && yaml.reg_max !== 16)
    throw new UserError(
      'bad-model',
      `${where}: reg_max ${brief(yaml.reg_max)} is not supported; YOLOv8 has 16 bins a side`,
    );
  if (yaml.end2end)
    throw new UserError(
      'bad-model',
      `${where}: an end-to-end head is not supported; modules are ${supportedModules()}`,
    );
}

function listed(names: readonly string[]): string {
  return `${names
    .slice(0, 12)
    .map((name) => cut(name))
    .join(', ')}${names.length > 12 ? ' …' : ''}`;
}

function positiveNumber(value: unknown, name: string, where: string): number {
  if (typeof value !== 'number' || !(value > 0))
    throw new UserError('bad-model', `${where}: ${name} should be a number above 0, but is ${brief(value)}`);
  return value;
}

/** @throws UserError 'bad-model' unless the value is an integer from 1 to `max` */
export function wholeNumber(value: unknown, name: string, max: number, where: string): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) return value as number;
  const what = `a whole number above 0, at most ${max.toLocaleString('en-US')}`;
  throw new UserError('bad-model', `${where}: ${name} should be ${what}, but is ${brief(value)}`);
}
