/**
 * Checkpoints of a training run: one safetensors file with everything inside. The EMA weights stand under their checkpoint
 * names in PyTorch's layout, so that any reader of safetensors can use the file as a model; what only training needs (weights
 * under training, optimizer state, accumulated gradients) stands under `train/`, five times as much. best.safetensors does
 * without: it is for inference, and holds the very numbers that were validated (float32; an export halves them).
 * Written beside and renamed: a crash leaves the last good file.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../core/errors.js';
import type { NamedArray } from '../core/types.js';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../io/safetensors.js';
import { toFloats } from '../io/typed.js';
import { fromFile, toFile } from '../nn/layout.js';
import type { EpochRow } from './results-csv.js';
import type { TrainState } from './train-state.js';

/** Raised when the meaning of `train/` changes. */
const VERSION = 1;

/** Where a run stands, apart from its tensors. */
export interface Progress {
  /** Epoch that comes next or is under way, from 0. */
  epoch: number;
  /** Batches of that epoch that are done. */
  batchInEpoch: number;
  /** Index of the next batch over the whole run. */
  index: number;
  /** Sums of the losses over the batches of the epoch under way: box, cls, dfl. */
  lossSums: [number, number, number];
  /** Batches that they are sums of: those whose loss and gradient were finite. */
  lossBatches: number;
  /** The last so many batches in a row had a loss or gradient that was not finite. */
  badBatches: number;
  bestFitness: number;
  /** Epoch (from 0) of the best fitness, −1 before there is one. */
  bestEpoch: number;
  /** Seconds that the run has taken so far. */
  seconds: number;
  /** Times that the run went back to a good checkpoint after losses that were not finite. */
  recoveries: number;
  /** Factor on all learning rates, halved by each recovery. */
  lrScale: number;
  updates: number;
  lastStep: number;
  labelSlots: number;
  rows: EpochRow[];
}

/** What a resumed run has to know besides tensors and progress. */
export interface RunDescription {
  names: string[];
  yaml: Record<string, unknown>;
  /** The configuration of the run, as in args.yaml. */
  args: Record<string, unknown>;
}

const PARTS = ['model', 'slots', 'sums'] as const;

/**
 * Writes a checkpoint that a run can be resumed from.
 * @throws UserError when the disk is full or the folder can't be written
 */
export function saveRun(path: string, run: RunDescription, state: TrainState, progress: Progress): void {
  const tensors = emaTensors(state);
  for (const part of PARTS) {
    for (const [name, array] of Object.entries(state[part])) tensors.push([`train/${part}/${name}`, stored(array)]);
  }
  writeSafetensors(path, tensors, { ...metadata(run, progress), run: JSON.stringify({ version: VERSION, progress }) });
}

/**
 * Writes the EMA weights alone: what predicts, and a fifth of the bytes.
 * @throws UserError when the disk is full or the folder can't be written
 */
export function saveInferenceWeights(path: string, run: RunDescription, state: TrainState, progress: Progress): void {
  writeSafetensors(path, emaTensors(state), metadata(run, progress));
}

function emaTensors({ ema }: TrainState): [string, StoredTensor][] {
  return Object.entries(ema).map(([name, array]) => [name, stored(toFile(array))]);
}

function stored({ shape, data }: NamedArray): StoredTensor {
  return { dtype: 'F32', shape, data: data as Float32Array<ArrayBuffer> };
}

function metadata({ names, yaml, args }: RunDescription, { epoch, bestFitness }: Progress): Record<string, string> {
  const info = { epoch: epoch - 1, best_fitness: bestFitness, date: new Date().toISOString() };
  return {
    format: 'pt',
    names: JSON.stringify(names),
    yaml: JSON.stringify(yaml),
    trainArgs: JSON.stringify(args),
    info: JSON.stringify(info),
  };
}

export interface LoadedRun {
  run: RunDescription;
  state: TrainState;
  progress: Progress;
}

/**
 * Reads what `saveRun` wrote.
 * @throws UserError when the file is no checkpoint of a training run
 */
export function loadRun(path: string): LoadedRun {
  const { tensors, metadata } = readSafetensors(path);
  if (!metadata.run) {
    const last = join(dirname(path), 'last.safetensors');
    throw new UserError(
      'not-resumable',
      `${path} holds weights only, not the state of a training run`,
      `resume= takes the last.safetensors of a run${existsSync(last) ? `: resume=${last}` : ''}; to start a new run from these weights give model= instead`,
    );
  }
  // A loss that is not a number is null in JSON.
  const nullIsNaN = (_: string, value: unknown): unknown => (value === null ? Number.NaN : value);
  const { version, progress } = JSON.parse(metadata.run, nullIsNaN) as { version: number; progress: Progress };
  if (version !== VERSION) {
    throw new UserError(
      'checkpoint-version',
      `${path} was written by another version of this tool (state ${version}, here ${VERSION})`,
    );
  }
  const state: TrainState = {
    model: {},
    ema: {},
    slots: {},
    sums: {},
    updates: progress.updates,
    lastStep: progress.lastStep,
    labelSlots: progress.labelSlots,
  };
  for (const [key, { dtype, shape, data: raw }] of tensors) {
    const data = toFloats(dtype, raw);
    const [, part, name] = /^train\/(model|slots|sums)\/(.+)$/.exec(key) ?? [];
    if (!part) state.ema[key] = fromFile({ shape, data });
    else state[part as (typeof PARTS)[number]][name] = { shape, data };
  }
  const missing = Object.keys(state.ema).filter((name) => !state.model[name]);
  if (missing.length > 0) {
    throw new UserError(
      'damaged-checkpoint',
      `${path} lacks train/model/${missing[0]}`,
      'resume from another checkpoint',
    );
  }
  return {
    run: {
      names: JSON.parse(metadata.names),
      yaml: JSON.parse(metadata.yaml),
      args: JSON.parse(metadata.trainArgs),
    },
    state,
    progress,
  };
}
