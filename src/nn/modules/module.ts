/**
 * What a module is: how its row in a model description is read, and what it computes. A file in this folder is one module;
 * registry.ts gives them their names.
 */
import { brief } from '../../core/brief.js';
import { UserError } from '../../core/errors.js';
import { roundHalfEven } from '../../core/round.js';
import type { Ops } from '../ops.js';
import type { Shape } from '../shape-ops.js';

/** An entry of `scales`. */
export interface Scaling {
  depth: number;
  width: number;
  maxChannels: number;
}

/** A module whose arguments are `A`; what `read` returns is plain data, so that a description can be compared and stored. */
export interface Module<A extends object = object> {
  /** A row may ask for several, whose number the scale's depth changes. */
  readonly repeatable?: boolean;
  /** Takes a list of layers. */
  readonly takesMany?: boolean;
  /**
   * In networks that have this module the class branch of a Detect consists of depthwise separable convolutions. Descriptions
   * don't say so: it came with the module.
   */
  readonly separableClasses?: boolean;
  /** @throws UserError bad-model, naming the row */
  read(row: Row): A;
  /** @param name of the layer in a checkpoint: `model.2` */
  run<V>(ops: Ops<V>, inputs: V[], name: string, args: A): V;
  /** What stands in the column `arguments` of a model summary after the channels. */
  describe(args: A, inputs: readonly number[]): (string | number)[];
}

/** A module that ends a network. */
export interface Head<A extends object = object> extends Omit<Module<A>, 'run'> {
  run<V>(ops: Ops<V>, inputs: V[], name: string, args: A): HeadValues<V>;
}

/** What a head gives, before it is decoded. */
export interface HeadValues<V> {
  /** [B, A, 4R] logits of the distances left, top, right, bottom. */
  boxes: V;
  /** [B, A, K] logits. */
  scores: V;
  /** Feature maps whose cells are the anchors, by level. */
  maps: V[];
}

/** Values of a row beyond these are mistakes, or meant to use up memory: YOLOv8x has 640 channels, 6 repeats, stride 32. */
export const MAX_CHANNELS = 16_384;
const MAX_REPEATS = 100;
export const MAX_KERNEL = 31;

/** What the whole network has, as far as modules depend on it. */
export interface NetworkTraits {
  /** Number of classes. */
  nc: number;
  /** Hidden width of the class branch, where it is given. */
  headHidden?: number;
  /** Name of the scale. */
  scale?: string;
  /** A layer before this one asks for it (`Module.separableClasses`). */
  separableClasses: boolean;
}

/** One row `[from, repeats, module, arguments]`, and what reading it needs to know. */
export class Row {
  /** Repeats after scaling: at least 1; halves go to the even neighbour. */
  readonly repeats: number;

  constructor(
    /** For messages: the file, the row and its module. */
    private readonly where: string,
    repeats: number,
    readonly args: readonly unknown[],
    /** Of the layers that it takes. */
    readonly inputs: readonly Shape[],
    private readonly scaling: Scaling,
    readonly network: NetworkTraits,
  ) {
    const scaled = repeats > 1 ? Math.max(roundHalfEven(repeats * scaling.depth), 1) : repeats;
    if (scaled > MAX_REPEATS) this.fail(`${scaled} repeats; at most ${MAX_REPEATS} are built`);
    this.repeats = scaled;
  }

  /** Argument `index` as channels after scaling: limited, multiplied, rounded up to a multiple of 8. */
  channels(index: number): number {
    const { width, maxChannels } = this.scaling;
    return this.limited(Math.ceil((Math.min(this.whole(index, 'channels'), maxChannels) * width) / 8) * 8);
  }

  /** @returns `channels` @throws UserError when they are too many to be meant */
  limited(channels: number): number {
    if (channels > MAX_CHANNELS) this.fail(`${channels} channels; at most ${MAX_CHANNELS} are built`);
    return channels;
  }

  whole(index: number, name: string, fallback?: number): number {
    const value = this.args[index] ?? fallback;
    if (!Number.isInteger(value) || (value as number) < 1)
      this.fail(`${name} should be a whole number above 0, but is ${brief(value)}`);
    return value as number;
  }

  factor(index: number, name: string, fallback: number): number {
    const value = this.args[index] ?? fallback;
    if (typeof value !== 'number' || !(value > 0)) this.fail(`${name} should be a number above 0`);
    return value as number;
  }

  flag(index: number, name: string, fallback: boolean): boolean {
    const value = this.args[index] ?? fallback;
    if (typeof value === 'boolean') return value;
    if (value === 'True' || value === 'False') return value === 'True';
    return this.fail(`${name} should be true or false, but is ${brief(value)}`);
  }

  /** Argument `index` exists in this form of description, but has one possible value here; it may be left out. */
  only(index: number, values: readonly unknown[], name: string): void {
    const value = this.args[index];
    if (value === undefined || value === null || value === 'None' || values.includes(value)) return;
    this.fail(`${name} ${brief(value)} is not supported, only ${values.map(String).join(' or ')}`);
  }

  /** @throws UserError bad-model */
  fail(text: string): never {
    throw new UserError('bad-model', `${this.where}: ${text}`);
  }
}
