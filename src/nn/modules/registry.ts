/** The modules that a row of a model description may name. A new one is a file beside this, and a line here. */
import { cut } from '../../core/brief.js';
import { UserError } from '../../core/errors.js';
import { c2f } from './c2f.js';
import { c2psa } from './c2psa.js';
import { c3k2 } from './c3k2.js';
import { concat } from './concat.js';
import { conv } from './conv.js';
import { detect } from './detect.js';
import { dwConv } from './dw-conv.js';
import type { Head, Module } from './module.js';
import { sppf } from './sppf.js';
import { upsample } from './upsample.js';

const MODULES: Readonly<Record<string, Module>> = {
  Conv: conv,
  DWConv: dwConv,
  C2f: c2f,
  C3k2: c3k2,
  SPPF: sppf,
  C2PSA: c2psa,
  Upsample: upsample,
  Concat: concat,
};

/** Those that end a network. */
const HEADS: Readonly<Record<string, Head>> = { Detect: detect };

/** @param name as `moduleName` gives it */
export function moduleNamed(name: string): Module {
  return MODULES[name];
}

export function headNamed(name: string): Head {
  return HEADS[name];
}

/** Whether a module is known under this name. */
export function isModule(name: string): boolean {
  return Object.hasOwn(MODULES, name) || isHead(name);
}

export function isHead(name: string): boolean {
  return Object.hasOwn(HEADS, name);
}

/**
 * The name of a module in a row, as it is known here: `nn.Upsample` is Upsample.
 * @param where the row, for the message @throws UserError bad-model when there is none of this name
 */
export function moduleName(name: string, where: string): string {
  const plain = name.replace(/^(torch\.)?nn\./, '');
  if (isModule(plain)) return plain;
  throw new UserError(
    'bad-model',
    `${where}: there is no module '${cut(name)}' here; there is ${supportedModules()}`,
    'Networks of YOLOv8 and YOLO11 detection can be built; other generations use other modules',
  );
}

export function supportedModules(): string {
  return [...Object.keys(MODULES), ...Object.keys(HEADS)].join(', ');
}

/** Task of a head that isn't detection's, e.g. 'segmentation' for Segment. */
export function otherTask(module: string): string | undefined {
  if (/segment/i.test(module)) return 'segmentation';
  if (/pose/i.test(module)) return 'pose estimation';
  if (/obb/i.test(module)) return 'oriented boxes';
  if (/classify/i.test(module)) return 'classification';
  return undefined;
}
