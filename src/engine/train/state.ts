/**
 * What a run carries from batch to batch, in two forms: arrays by checkpoint name, as a checkpoint holds them, and a few
 * long vectors, as the session's variables hold them. Vectors, because an update of three parameter groups is some thirty
 * operations over whole vectors, where one of each parameter would be thousands of small ones.
 */
import type { NamedArray } from '../../core/types.js';
import { type Arrays, type ParameterSpec, sizeOf } from '../../nn/parameters.js';
import { GROUPS, type ParameterGroup, type Trainable } from '../../optim/groups.js';

export type { Arrays };

/** The tensors of a run; its counters are in progress.ts. */
export interface TrainState {
  /** Weights and running statistics by checkpoint name. */
  model: Arrays;
  /** The average over `model`, same names. */
  ema: Arrays;
  /** Optimizer state, `${k}/${name}`: the k-th tensor of the parameter. */
  optimizerState: Arrays;
  /** Accumulated gradients, which wait for a step, by name. */
  accumulated: Arrays;
}

/** The parameters of a group, and what no group has: running statistics, frozen weights. */
export type VectorName = ParameterGroup | 'kept';
const VECTORS: readonly VectorName[] = [...GROUPS, 'kept'];

/** A piece of a vector. */
export interface Piece {
  name: string;
  shape: number[];
  size: number;
}

/** Which parameter lies where: the pieces of each vector in their order. A vector may be empty. */
export type Layout = Record<VectorName, Piece[]>;

/** The layout of a network's parameters: those that are trained by group, all others in `kept`. */
export function layoutOf(parameters: readonly ParameterSpec[], trainables: readonly Trainable[]): Layout {
  const groups = new Map(trainables.map(({ name, group }) => [name, group]));
  const layout: Layout = { weight: [], bn: [], bias: [], kept: [] };
  for (const { name, shape } of parameters) {
    layout[groups.get(name) ?? 'kept'].push({ name, shape, size: sizeOf({ shape }) });
  }
  return layout;
}

/** Elements of a vector of these pieces. */
export function vectorSize(pieces: readonly Piece[]): number {
  return pieces.reduce((n, { size }) => n + size, 0);
}

/** Names of the variables, each with the vector that it is laid out like: `model/weight`, `optimizerState/0/bn`, `accumulated/bias` … */
export function variablesOf(stateTensors: number): Map<string, VectorName> {
  const names = new Map<string, VectorName>();
  for (const vector of VECTORS) for (const part of ['model', 'ema']) names.set(`${part}/${vector}`, vector);
  for (const group of GROUPS) {
    for (let s = 0; s < stateTensors; s++) names.set(`optimizerState/${s}/${group}`, group);
    names.set(`accumulated/${group}`, group);
  }
  return names;
}

/** A state with no parts filled yet. */
export function emptyState(): TrainState {
  return { model: {}, ema: {}, optimizerState: {}, accumulated: {} };
}

/** A fresh state around these weights: nothing averaged, nothing accumulated. */
export function freshState(model: Arrays, trainables: readonly Trainable[], stateTensors: number): TrainState {
  const zeros = (name: string): NamedArray => {
    const { shape } = model[name];
    return { shape: [...shape], data: new Float32Array(sizeOf({ shape })) };
  };
  const of = (names: string[]): Arrays =>
    Object.fromEntries(names.map((key) => [key, zeros(key.replace(/^\d+\//, ''))]));
  const names = trainables.map(({ name }) => name);
  return {
    model,
    ema: model,
    optimizerState: of(names.flatMap((name) => Array.from({ length: stateTensors }, (_, s) => `${s}/${name}`))),
    accumulated: of(names),
  };
}

/** Where the variable's pieces stand in a state: the part, and what their names begin with. */
function placeOf(variable: string): { part: keyof TrainState; prefix: string } {
  const [part, index] = variable.split('/');
  return { part: part as keyof TrainState, prefix: part === 'optimizerState' ? `${index}/` : '' };
}

/** The value of a variable. @throws Error when the state has no such piece, or one of another size */
export function packed(state: TrainState, variable: string, pieces: readonly Piece[]): Float32Array {
  const { part, prefix } = placeOf(variable);
  const vector = new Float32Array(vectorSize(pieces));
  let at = 0;
  for (const { name, size } of pieces) {
    const array = state[part][prefix + name];
    if (array?.data.length !== size) {
      throw new Error(
        `the training state has ${array?.data.length ?? 'no'} values of ${part}/${prefix}${name}, not ${size}`,
      );
    }
    vector.set(array.data, at);
    at += size;
  }
  return vector;
}

/** The reverse of `packed`: puts the pieces of a vector into a state. They are views of it. */
export function unpack(state: TrainState, variable: string, pieces: readonly Piece[], vector: Float32Array): void {
  const { part, prefix } = placeOf(variable);
  let at = 0;
  for (const { name, shape, size } of pieces) {
    state[part][prefix + name] = { shape, data: vector.subarray(at, at + size) };
    at += size;
  }
}
