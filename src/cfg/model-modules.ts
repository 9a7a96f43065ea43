/**
 * The modules that a row of a model description may name, and what their arguments mean. Each reader turns the
 * arguments of its row into typed ones, with the width and depth of the scale applied (numbers.md of the reference:
 * "Network"; the form of the file is the one YOLOv8 made common).
 */
import { UserError } from '../core/errors.js';

/** An entry of `scales`. */
export interface Scaling {
  depth: number;
  width: number;
  maxChannels: number;
}

/** Convolution without bias, padding k//2, BatchNorm, SiLU. */
export interface ConvArgs {
  kernel: number;
  stride: number;
}
/** 1x1 Conv to 2·hidden, split, bottlenecks, concat, 1x1 Conv. */
export interface C2fArgs {
  hidden: number;
  /** Residual connections in the bottlenecks. */
  shortcut: boolean;
}
/** 1x1 Conv to hidden, three max-pools, concat of 4, 1x1 Conv. */
export interface SppfArgs {
  hidden: number;
  kernel: 5;
}
export interface DetectArgs {
  nc: number;
  /** Bins of a side's distribution, R. */
  regMax: 16;
  /** Hidden width of the box branch, c2. */
  boxHidden: number;
  /** Hidden width of the class branch, c3. */
  classHidden: number;
  /** Stride of each level in pixels. */
  strides: number[];
}

/** Module and arguments of a layer. */
export type LayerModule =
  | { module: 'Conv'; args: ConvArgs }
  | { module: 'C2f'; args: C2fArgs }
  | { module: 'SPPF'; args: SppfArgs }
  | { module: 'Upsample'; args: { factor: 2 } }
  | { module: 'Concat'; args: Record<string, never> }
  | { module: 'Detect'; args: DetectArgs };

export const supportedModules = 'Conv, C2f, SPPF, nn.Upsample, Concat, Detect';

const REG_MAX = 16;

interface Row {
  repeats: number;
  module: string;
  args: unknown[];
}

interface Context {
  inChannels: number[];
  inStrides: number[];
  nc: number;
  scaling: Scaling;
  headHidden?: number;
  where: string;
}

interface Read {
  layer: LayerModule;
  outChannels: number;
  stride: number;
  repeats: number;
}

/** Reads the row's arguments. @throws UserError bad-model, naming the row */
export function readModule(row: Row, context: Context): Read {
  const name = row.module.replace(/^(torch\.)?nn\./, '');
  const reader = readers[name];
  if (!reader)
    throw new UserError(
      'bad-model',
      `${context.where}: there is no module '${row.module}' here; there is ${supportedModules}`,
      'Networks of YOLOv8 detection can be built; other generations use other modules',
    );
  if (name !== 'C2f' && row.repeats > 1)
    throw new UserError(
      'bad-model',
      `${context.where}: only C2f can be repeated`,
      'Write the row several times instead',
    );
  const single = name !== 'Concat' && name !== 'Detect';
  if (single && context.inChannels.length !== 1)
    throw new UserError(
      'bad-model',
      `${context.where}: takes one input, but 'from' names ${context.inChannels.length}`,
    );
  return { repeats: 1, ...reader(row, context) };
}

/** Task of a head that isn't detection's, e.g. 'segmentation' for Segment. */
export function otherTask(module: string): string | undefined {
  if (/segment/i.test(module)) return 'segmentation';
  if (/pose/i.test(module)) return 'pose estimation';
  if (/obb/i.test(module)) return 'oriented boxes';
  if (/classify/i.test(module)) return 'classification';
  return undefined;
}

/** Channels after scaling: limited, multiplied, rounded up to a multiple of 8. */
export function scaleChannels(channels: number, { width, maxChannels }: Scaling): number {
  return Math.ceil((Math.min(channels, maxChannels) * width) / 8) * 8;
}

/** Repeats after scaling: at least 1; halves go to the even neighbour. */
export function scaleRepeats(repeats: number, { depth }: Scaling): number {
  return repeats > 1 ? Math.max(roundHalfEven(repeats * depth), 1) : repeats;
}

type Reader = (row: Row, context: Context) => Omit<Read, 'repeats'> & { repeats?: number };

const readers: Record<string, Reader> = {
  Conv({ args }, context) {
    const kernel = integer(args[1] ?? 1, 'kernel', context);
    const stride = integer(args[2] ?? 1, 'stride', context);
    if (kernel % 2 === 0) fail(context, `kernel ${kernel} should be odd`);
    onlyDefaults(
      args,
      [
        [3, [Math.floor(kernel / 2)], 'padding'],
        [4, [1], 'groups'],
        [5, [1], 'dilation'],
        [6, [true], 'activation'],
      ],
      context,
    );
    const outChannels = scaleChannels(integer(args[0], 'channels', context), context.scaling);
    return { layer: { module: 'Conv', args: { kernel, stride } }, outChannels, stride: context.inStrides[0] * stride };
  },

  C2f({ args, repeats }, context) {
    onlyDefaults(args, [[2, [1], 'groups']], context);
    const expansion = args[3] ?? 0.5;
    if (typeof expansion !== 'number' || !(expansion > 0)) fail(context, `expansion should be a number above 0`);
    const outChannels = scaleChannels(integer(args[0], 'channels', context), context.scaling);
    const hidden = Math.max(1, Math.floor(outChannels * (expansion as number)));
    const shortcut = flag(args[1] ?? false, 'shortcut', context);
    return {
      layer: { module: 'C2f', args: { hidden, shortcut } },
      outChannels,
      stride: context.inStrides[0],
      repeats: scaleRepeats(repeats, context.scaling),
    };
  },

  SPPF({ args }, context) {
    onlyDefaults(
      args,
      [
        [1, [5], 'kernel'],
        [2, [3], 'number of pools'],
        [3, [false], 'shortcut'],
      ],
      context,
    );
    const outChannels = scaleChannels(integer(args[0], 'channels', context), context.scaling);
    const hidden = Math.floor(context.inChannels[0] / 2);
    return { layer: { module: 'SPPF', args: { hidden, kernel: 5 } }, outChannels, stride: context.inStrides[0] };
  },

  Upsample({ args }, context) {
    onlyDefaults(
      args,
      [
        [0, [null, 'None'], 'size'],
        [1, [2], 'factor'],
        [2, ['nearest'], 'mode'],
      ],
      context,
    );
    const stride = context.inStrides[0] / 2;
    if (stride < 1) fail(context, 'would be larger than the picture');
    return { layer: { module: 'Upsample', args: { factor: 2 } }, outChannels: context.inChannels[0], stride };
  },

  Concat({ args }, context) {
    onlyDefaults(args, [[0, [1], 'dimension (1: channels)']], context);
    if (context.inStrides.some((stride) => stride !== context.inStrides[0]))
      fail(context, `its inputs have different strides: ${context.inStrides.join(', ')}`);
    const outChannels = context.inChannels.reduce((sum, channels) => sum + channels, 0);
    return { layer: { module: 'Concat', args: {} }, outChannels, stride: context.inStrides[0] };
  },

  Detect({ args }, { inChannels, inStrides, nc, headHidden, ...context }) {
    if (args[0] !== undefined && args[0] !== 'nc' && !Number.isInteger(args[0]))
      fail(context, `should have the argument nc`);
    return {
      layer: {
        module: 'Detect',
        args: {
          nc,
          regMax: REG_MAX,
          boxHidden: Math.max(16, Math.floor(inChannels[0] / 4), 4 * REG_MAX),
          classHidden: headHidden ?? Math.max(inChannels[0], Math.min(nc, 100)),
          strides: inStrides,
        },
      },
      outChannels: 4 * REG_MAX + nc,
      stride: inStrides[0],
    };
  },
};

/** Arguments that exist in the form of the file but have one possible value here. */
function onlyDefaults(
  args: unknown[],
  fixed: [index: number, values: unknown[], name: string][],
  context: { where: string },
): void {
  for (const [index, values, name] of fixed) {
    const value = args[index];
    if (value === undefined || value === null || value === 'None' || values.includes(value)) continue;
    fail(context, `${name} ${JSON.stringify(value)} is not supported, only ${values.map(String).join(' or ')}`);
  }
}

function integer(value: unknown, name: string, context: { where: string }): number {
  if (!Number.isInteger(value) || (value as number) < 1)
    fail(context, `${name} should be a whole number above 0, but is ${JSON.stringify(value)}`);
  return value as number;
}

function flag(value: unknown, name: string, context: { where: string }): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'True' || value === 'False') return value === 'True';
  return fail(context, `${name} should be true or false, but is ${JSON.stringify(value)}`);
}

function fail({ where }: { where: string }, text: string): never {
  throw new UserError('bad-model', `${where}: ${text}`);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(x);
}
