/**
 * Where a run starts: fresh weights for a network description, the weights of a model that knows other classes, or the
 * whole state of a run that was interrupted or is to go on for longer.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { wasGiven } from '../cfg/load.js';
import { KEYS, type Key, type TrainConfig } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Dataset } from '../data/dataset.js';
import { buildNetwork, type Network, type Params } from '../nn/model.js';
import { parseModelYaml } from '../nn/model-yaml.js';
import { describeNetwork } from '../nn/summary.js';
import { transferWeights } from '../nn/transfer.js';
import { loadCheckpoint, resolveModelPath, specOf } from '../nn/weights.js';
import { loadRun, type Progress } from './checkpoint.js';
import type { TrainState } from './train-state.js';

export interface Start {
  network: Network;
  /** Weights of a fresh run … */
  params: Params;
  /** … or everything of a resumed one. */
  state?: TrainState;
}

const isYaml = (file: string): boolean => /\.ya?ml$/i.test(file);

/**
 * Network and starting weights of a fresh run.
 * @throws UserError when model or pretrained can't be used
 */
export async function startingPoint(config: TrainConfig, train: Dataset): Promise<Start> {
  const { model, pretrained } = config;
  if (!model)
    throw new UserError(
      'missing-model',
      'training needs a model: model= is missing',
      'yolov8n.pt to fine-tune, yolov8n.yaml to train from scratch',
    );
  const nc = train.names.length;
  if (isYaml(model)) {
    const network = buildNetwork(parseModelYaml(model, { nc }));
    announceNetwork(network);
    return {
      network,
      params: await startingWeights(network, typeof pretrained === 'string' ? pretrained : undefined, config, train),
    };
  }
  const path = await resolveModelPath(model);
  const source = await loadCheckpoint(path);
  const spec = specOf(source, model);
  const network = buildNetwork(spec, { nc });
  announceNetwork(network);
  const from = pretrained === true ? path : pretrained || undefined;
  return { network, params: await startingWeights(network, from, config, train) };
}

/** A row a layer, and the totals. */
function announceNetwork({ spec }: Network): void {
  for (const line of describeNetwork(spec)) log.info(line);
}

/** Fresh weights by the seed, over them what a weight file has for this network. */
async function startingWeights(
  network: Network,
  from: string | undefined,
  config: TrainConfig,
  train: Dataset,
): Promise<Params> {
  const fresh = network.init(config.seed);
  if (from === undefined) return fresh;
  const source = await loadCheckpoint(await resolveModelPath(from));
  const { params, transferred, total } = transferWeights(source, network, fresh, {
    names: train.names,
    clsRemap: config.cls_remap,
  });
  log.info(`Transferred ${transferred}/${total} items from ${from}`);
  return params;
}

export interface Resumed extends Start {
  config: TrainConfig;
  state: TrainState;
  progress: Progress;
  /** Folder of the run, which it goes on writing to; undefined when the checkpoint lies outside of a run folder. */
  dir?: string;
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
]);

/**
 * State and configuration of the run that `resume` names; keys that are given now lie over those of the run.
 * @throws UserError when there is no such run, or it is finished and `epochs` says nothing new
 */
export function resumeRun(given: TrainConfig): Resumed {
  const path =
    typeof given.resume === 'string' ? checkpointIn(given.resume) : latestRun(given.project ?? join('runs', 'detect'));
  const { run, state, progress } = loadRun(path);
  const changed = KEYS.filter((key) => wasGiven(given, key) && key !== 'resume' && !same(given[key], run.args[key]));
  const overrides = Object.fromEntries(changed.map((key) => [key, given[key]]));
  const config = { ...given, ...run.args, ...overrides, resume: path } as TrainConfig;
  const breaking = changed.filter((key) => !HARMLESS.has(key));
  if (breaking.length > 0) {
    const list = breaking.map((key) => `${key}=${JSON.stringify(run.args[key])} → ${JSON.stringify(given[key])}`);
    log.warn(
      `resuming with other settings than the run began with, so it will not end like an undisturbed one: ${list.join(', ')}`,
    );
  }
  if (progress.epoch >= config.epochs) {
    throw new UserError(
      'finished-run',
      `${path}: this run has done its ${progress.epoch} epochs`,
      `to go on, give more: yolo train resume=${path} epochs=${progress.epoch * 2}`,
    );
  }
  log.info(
    `Resuming ${path} at epoch ${progress.epoch + 1} of ${config.epochs}${progress.batchInEpoch ? `, batch ${progress.batchInEpoch + 1}` : ''}`,
  );
  const network = buildNetwork(parseModelYaml(run.yaml));
  announceNetwork(network);
  return { config, network, params: {}, state, progress, dir: runFolder(path) };
}

/** A checkpoint of a run lies in its folder `weights`. */
function runFolder(path: string): string | undefined {
  const folder = dirname(resolve(path));
  return basename(folder) === 'weights' ? dirname(folder) : undefined;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A checkpoint file, or the last.safetensors of a run folder. */
function checkpointIn(path: string): string {
  // last.pt is what other tools call it.
  const beside = path.replace(/\.pt$/i, '.safetensors');
  for (const candidate of [path, beside, join(path, 'weights', 'last.safetensors'), join(path, 'last.safetensors')]) {
    if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
  }
  throw new UserError(
    'missing-file',
    `resume=${path}: there is no such checkpoint`,
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
