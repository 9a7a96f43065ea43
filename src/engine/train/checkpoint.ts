/**
 * Checkpoints of a training run: one safetensors file with everything inside. The EMA weights stand under their checkpoint
 * names in PyTorch's layout, so that any reader of safetensors can use the file as a model; what only training needs (weights
 * under training, optimizer state, accumulated gradients) stands under `train/`, five times as much. best.safetensors does
 * without: it is for inference, and holds the very numbers that were validated (float32; an export halves them).
 * Written beside and renamed: a crash leaves the last good file.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OptimizerName } from '../../core/choices.js';
import { UserError } from '../../core/errors.js';
import type { NamedArray } from '../../core/types.js';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../io/safetensors.js';
import { toFloats } from '../../io/typed.js';
import { fromFile, toFile } from '../../nn/layout.js';
import { checkpointMetadata, saveCheckpoint } from '../../nn/weights.js';
import type { ScheduleSettings } from '../../optim/schedule.js';
import type { Progress } from './progress.js';
import type { EpochMetrics } from './results.js';
import { emptyState, type TrainState } from './state.js';

/** Raised when the meaning of `train/` or of the metadata changes. */
const VERSION = 2;

/** What a resumed run has to know besides tensors and progress. */
export interface RunDescription {
  names: string[];
  yaml: Record<string, unknown>;
  /** The configuration of the run, as in args.yaml. */
  args: Record<string, unknown>;
  /** The optimizer whose state this is; what `auto` chose. */
  optimizer: OptimizerName;
  /** Rates and epochs as they are used: what was given, what `auto` chose, what `time` allows. */
  schedule: ScheduleSettings;
  /** The commands that repeat the run, in their order. */
  commands: string[];
}

/** What `best` tells about itself. */
export interface BestInfo {
  /** From 0. */
  epoch: number;
  best_fitness: number;
  date: string;
  /** Its validation at the end of the run, and the epochs that were done then. */
  final?: { epochs: number } & EpochMetrics;
}

/** Parts of the state besides the EMA weights, by the names they have in the file. */
const PARTS = { model: 'model', slots: 'optimizerState', sums: 'accumulated' } as const;

/**
 * Writes a checkpoint that the run can go on from.
 * @throws UserError when the disk is full or the folder can't be written
 */
export function saveRun(path: string, run: RunDescription, state: TrainState, progress: Progress): void {
  const tensors = Object.entries(state.ema).map(([name, array]): [string, StoredTensor] => [
    name,
    stored(toFile(array)),
  ]);
  for (const [prefix, part] of Object.entries(PARTS)) {
    for (const [name, array] of Object.entries(state[part])) tensors.push([`train/${prefix}/${name}`, stored(array)]);
  }
  const { names, yaml, args, optimizer, schedule, commands } = run;
  writeSafetensors(path, tensors, {
    ...checkpointMetadata({ names, yaml, trainArgs: args, info: { ...infoOf(progress, progress.epoch - 1) } }),
    run: JSON.stringify({ version: VERSION, progress, optimizer, schedule, commands }),
  });
}

function stored({ shape, data }: NamedArray): StoredTensor {
  return { dtype: 'F32', shape, data: data as Float32Array<ArrayBuffer> };
}

/**
 * Writes averaged weights as a model, without what training needs.
 * @param weights in the layout of files
 * @throws UserError when the disk is full or the folder can't be written
 */
export function saveBest(
  path: string,
  { names, yaml, args }: RunDescription,
  weights: ReadonlyMap<string, NamedArray>,
  info: BestInfo,
): void {
  saveCheckpoint(path, { weights: new Map(weights), names, yaml, trainArgs: args, info: { ...info } });
}

/** @param epoch from 0, the one whose weights these are */
export function infoOf({ bestFitness }: Pick<Progress, 'bestFitness'>, epoch: number): BestInfo {
  return { epoch, best_fitness: bestFitness, date: new Date().toISOString() };
}

type Stored = { version: number; progress: Progress } & Pick<RunDescription, 'optimizer' | 'schedule' | 'commands'>;

/** A checkpoint of a run, read. */
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
  const { version, progress, ...stored } = JSON.parse(metadata.run, nullIsNaN) as Stored;
  if (version !== VERSION) {
    throw new UserError(
      'checkpoint-version',
      `${path} was written by another version of this tool (state ${version}, here ${VERSION})`,
    );
  }
  const state = emptyState();
  for (const [key, { dtype, shape, data: raw }] of tensors) {
    const data = toFloats(dtype, raw);
    const [, part, name] = /^train\/(model|slots|sums)\/(.+)$/.exec(key) ?? [];
    if (!part) state.ema[key] = fromFile({ shape, data });
    else state[PARTS[part as keyof typeof PARTS]][name] = { shape, data };
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
      ...stored,
    },
    state,
    progress,
  };
}
