/** A run that was interrupted, or is to go on for longer: its whole state, and what is given now over its settings. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { wasGiven } from '../../cfg/load.js';
import { KEYS, type Key, type TrainConfig } from '../../cfg/schema.js';
import type { OptimizerName } from '../../core/choices.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { buildNetwork, type Network } from '../../nn/model.js';
import { parseModelYaml } from '../../nn/model-yaml.js';
import type { ScheduleSettings } from '../../optim/schedule.js';
import { resumeCommand, shellWord } from '../report/settings.js';
import { loadRun, type RunDescription } from './checkpoint.js';
import { resumedSchedule, usedValue } from './optimizer.js';
import type { Progress } from './progress.js';
import { announceNetwork } from './starting-weights.js';
import type { TrainState } from './state.js';
import { type End, endOf, fittedEpochs } from './stopper.js';
import { isValidated } from './weights-folder.js';

/** A run that goes on. */
export interface Resumed {
  network: Network;
  /** The run's, over it what is given now. */
  config: TrainConfig;
  optimizer: OptimizerName;
  schedule: ScheduleSettings;
  /** As the checkpoint tells it. */
  run: RunDescription;
  state: TrainState;
  progress: Progress;
  /** The commands that repeat the run, this one among them where it changes something. */
  commands: string[];
}

/** Keys that may change without changing a bit of the result. */
const HARMLESS: ReadonlySet<Key> = new Set<Key>([
  'resume',
  'model',
  'workers',
  'cache',
  'verbose',
  'json',
  'plots',
  'save',
  'save_period',
  'patience',
  'time',
  'project',
  'name',
  'exist_ok',
  'val',
  'conf',
  'iou',
  'max_det',
  'agnostic_nms',
  'save_json',
  'timeout',
  'restarts',
  'insecure',
]);

/** Settings that runs of earlier versions had without naming them. */
const BEFORE = { amp: false } satisfies Partial<TrainConfig>;

/** The checkpoint that `resume` names. @throws UserError when there is none */
export function checkpointToResume(given: TrainConfig): string {
  if (typeof given.resume === 'string') return checkpointIn(given.resume, `resume=${given.resume}`);
  if (wasGiven(given, 'model') && given.model) return checkpointIn(given.model, `resume=true model=${given.model}`);
  return latestRun(given.project ?? join('runs', 'detect'));
}

/** The run folder that a checkpoint lies in (in its folder `weights`); undefined for one that lies elsewhere. */
export function runFolderOf(checkpoint: string): string | undefined {
  const folder = dirname(resolve(checkpoint));
  return basename(folder) === 'weights' ? dirname(folder) : undefined;
}

/**
 * State and configuration of a run; keys that are given now lie over those of the run.
 * @throws UserError when the file is no checkpoint of a run, a setting can't be changed any more, or all is done and
 *   nothing given now says to go on
 */
export function resumeRun(given: TrainConfig, path: string): Resumed {
  const { run, state, progress } = loadRun(path);
  const schedule = resumedSchedule(run, given);
  const changed = changedKeys(given, run);
  const overrides = Object.fromEntries(changed.map((key) => [key, given[key]]));
  const config = { ...given, ...BEFORE, ...run.args, ...overrides, resume: path } as TrainConfig;
  if (!wasGiven(given, 'epochs') && changed.includes('time')) {
    schedule.epochs = fittedEpochs(config.time, config.epochs, progress);
  }
  warnOfChanges(changed, given, run);
  const end = endOf({ progress, schedule, config });
  if (end && isValidated(path, progress)) throw finished(path, end, config, progress);
  const at = `epoch ${progress.epoch + 1} of ${schedule.epochs}`;
  const batch = progress.batchInEpoch ? `, batch ${progress.batchInEpoch + 1}` : '';
  log.info(`Resuming ${path} ${end ? 'for its final validation' : `at ${at}${batch}`}`);
  const network = buildNetwork(parseModelYaml(run.yaml));
  announceNetwork(network);
  const commands = [...run.commands, ...resumeCommand(config, changed, { progress, epochs: run.schedule.epochs })];
  return { network, config, optimizer: run.optimizer, schedule, run, state, progress, commands };
}

/** Keys that are given now with another value than the run has. @throws UserError for one that its state depends on */
function changedKeys(given: TrainConfig, run: RunDescription): Key[] {
  // With amp=auto the run keeps what was chosen at its start.
  const passedOver: readonly Key[] = [
    'resume',
    'model',
    'optimizer',
    ...(given.amp === 'auto' ? ['amp' as const] : []),
  ];
  const changed = KEYS.filter(
    (key) => wasGiven(given, key) && !passedOver.includes(key) && !same(given[key], trainedWith(run, key)),
  );
  if (changed.includes('freeze')) {
    throw new UserError(
      'fixed-at-resume',
      `freeze=${JSON.stringify(given.freeze)}: this run has freeze=${JSON.stringify(run.args.freeze)}, which can't be changed when it is resumed`,
      'to train its weights with other layers frozen start a new run: model=…/last.safetensors',
    );
  }
  return changed;
}

const trainedWith = ({ schedule, args }: RunDescription, key: Key): unknown => usedValue(schedule, key) ?? args[key];

function warnOfChanges(changed: readonly Key[], given: TrainConfig, run: RunDescription): void {
  const breaking = changed.filter((key) => !HARMLESS.has(key));
  if (breaking.length === 0) return;
  const list = breaking.map((key) => `${key}=${JSON.stringify(trainedWith(run, key))} → ${JSON.stringify(given[key])}`);
  log.warn(
    `resuming with other settings than the run began with, so it will not end like an undisturbed one: ${list.join(', ')}`,
  );
}

function finished(path: string, end: End, { time, patience }: TrainConfig, { epoch }: Progress): UserError {
  const again = `yolo train resume=${shellWord(path)}`;
  const [what, hint] = {
    epochs: [`this run has done its ${epoch} epochs`, `to go on, give more: ${again} epochs=${epoch * 2}`],
    time: [`the time of this run is over (time=${time})`, `to go on, give more: ${again} time=${2 * (time ?? 1)}`],
    patience: [
      `this run ended early, ${patience} epochs after its best one`,
      `to go on all the same: ${again} patience=0`,
    ],
  }[end];
  return new UserError('finished-run', `${path}: ${what}`, hint);
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A checkpoint file, or the last.safetensors of a run folder. */
function checkpointIn(path: string, asked: string): string {
  // last.pt is what other tools call it.
  const beside = path.replace(/\.pt$/i, '.safetensors');
  for (const candidate of [path, beside, join(path, 'weights', 'last.safetensors'), join(path, 'last.safetensors')]) {
    if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
  }
  throw new UserError(
    'missing-file',
    `${asked}: there is no such checkpoint`,
    'give the last.safetensors of a run, or its folder',
  );
}

/** The checkpoint that was written last under `root`. */
function latestRun(root: string): string {
  const found = existsSync(root) ? readdirSync(root).map((dir) => join(root, dir, 'weights', 'last.safetensors')) : [];
  const times = found.filter((file) => existsSync(file)).map((file) => ({ file, time: statSync(file).mtimeMs }));
  times.sort((a, b) => b.time - a.time);
  if (times.length > 0) return times[0].file;
  throw new UserError(
    'missing-file',
    `resume=true: no run with a checkpoint under ${root}`,
    'give the file: resume=…/weights/last.safetensors',
  );
}
