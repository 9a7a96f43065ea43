/**
 * Everything that a training run needs before its first batch: the network with its starting weights, the data, the
 * optimizer and its schedule, the state. A resumed run takes all but the data from its checkpoint.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { dump } from 'js-yaml';
import { describeEngine, type Engine, requireTraining, selectEngine } from '../../backend/select-engine.js';
import { wasGiven } from '../../cfg/load.js';
import type { TrainConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { announce, type Dataset, openDataset } from '../../data/dataset.js';
import { createTrainLoader, limitWorkers, type TrainLoader, type TrainLoaderOptions } from '../../data/loader.js';
import { orCannotWrite, removeUnfinished, writeFileAtomic } from '../../io/files.js';
import { classWeights } from '../../loss/class-weights.js';
import { toArrays } from '../../nn/layout.js';
import type { Network } from '../../nn/model.js';
import { describeGroups } from '../../optim/groups.js';
import { OPTIMIZERS } from '../../optim/optimizers.js';
import { type ScheduleSettings, scaledWeightDecay } from '../../optim/schedule.js';
import { imageSize } from '../image-size.js';
import { sideFor, trainedOf } from '../model-defaults.js';
import { trainCommand } from '../report/settings.js';
import { lockRunDir, openRunDir } from '../run-dir.js';
import { DetectorWithLoss } from '../val/detector-with-loss.js';
import { fittingBatch, warnOfMemory } from './batch-size.js';
import { BEST, restoreBest } from './best-weights.js';
import type { Progress, RunDescription } from './checkpoint.js';
import { chooseOptimizer } from './optimizer.js';
import { checkpointToResume, type Resumed, resumeRun, runFolderOf } from './resume.js';
import { startingPoint } from './starting-weights.js';
import { freshState } from './state.js';
import { TrainStep } from './step.js';
import { frozenLayers, trainablesOf } from './trainables.js';

/** A training run that is ready for its next batch. */
export interface Run {
  config: TrainConfig;
  dir: string;
  weightsDir: string;
  lastPath: string;
  bestPath: string;
  network: Network;
  description: RunDescription;
  schedule: ScheduleSettings;
  train: Dataset;
  val: Dataset;
  loader: TrainLoader;
  step: TrainStep;
  /** Validates the average; its weights are set before each use. */
  detector: DetectorWithLoss;
  progress: Progress;
  /** Long side of the network's input, pixels. */
  imgsz: number;
  /** Gives back threads, tensors and the lock of the folder. */
  held: Release[];
}

type Release = () => void | Promise<void>;

/** Puts a run together. @throws UserError when model, data, engine or run folder can't be used; nothing is held then */
export async function prepareRun(given: TrainConfig, signal?: AbortSignal): Promise<Run> {
  const held: Release[] = [];
  try {
    return await putTogether(given, held, signal);
  } catch (error) {
    await releaseAll(held);
    throw error;
  }
}

async function putTogether(given: TrainConfig, held: Release[], signal?: AbortSignal): Promise<Run> {
  const resumed = given.resume === false ? undefined : resume(given, held);
  const asked = resumed?.config ?? given;
  const engine = await startEngine(asked);
  const { train, val } = await openData(asked, signal);
  const config = resumed ? asked : await withModelsSize(given);
  if (resumed) refuseOtherClasses(resumed.run, train);
  const start = resumed ?? (await startingPoint(config, train));
  if ('params' in start) held.push(() => tf.dispose(start.params));
  const { network } = start;
  const { batch, imgsz } = inputOf(config, network, engine);
  const loader = createTrainLoader(loaderOptions(config, train, batch, imgsz));
  held.push(() => loader.close());
  const { optimizer, schedule } = resumed
    ? { optimizer: resumed.run.optimizer, schedule: { ...resumed.schedule, batch, nbs: config.nbs } }
    : chooseOptimizer(config, train, batch, loader.batches);
  schedule.batchesPerEpoch = loader.batches;
  const trainables = trainablesOf(network, config.freeze);
  const rule = OPTIMIZERS[optimizer];
  const decay = scaledWeightDecay(config.weight_decay, batch, config.nbs);
  const state = 'state' in start ? start.state : freshState(toArrays(start.params), trainables, rule.stateTensors);
  if ('params' in start) tf.dispose(start.params);
  const gains = { box: config.box, cls: config.cls, dfl: config.dfl };
  const weightOfClass = config.cls_pw > 0 ? classWeights(countClasses(train), config.cls_pw) : undefined;
  const step = new TrainStep(state, {
    network,
    trainables,
    frozenLayers: frozenLayers(config.freeze),
    rule,
    decay,
    gains,
    classWeights: weightOfClass,
  });
  held.push(() => step.dispose());
  const detector = new DetectorWithLoss(network, train.names, { gains, classWeights: weightOfClass });
  held.push(() => detector.dispose());
  log.info(
    `optimizer: ${optimizer}(lr=${schedule.lr0}, momentum=${schedule.momentum}) with ${describeGroups(trainables, decay)}`,
  );
  const dir = resumed?.dir ?? makeRunDir(given, held);
  const weightsDir = join(dir, 'weights');
  orCannotWrite(weightsDir, () => {
    mkdirSync(weightsDir, { recursive: true });
    removeUnfinished(weightsDir);
  });
  writeFileAtomic(join(dir, 'args.yaml'), dump({ ...config }));
  const run: Run = {
    config,
    dir,
    weightsDir,
    lastPath: join(weightsDir, 'last.safetensors'),
    bestPath: join(weightsDir, BEST),
    network,
    description: {
      names: train.names,
      yaml: network.spec.yaml,
      args: { ...config, batch, model: config.model },
      optimizer,
      schedule,
      commands: resumed?.commands ?? [trainCommand(config, batch)],
    },
    schedule,
    train,
    val,
    loader,
    step,
    detector,
    progress: resumed?.progress ?? freshProgress(),
    imgsz,
    held,
  };
  restoreBest(run);
  return run;
}

/** The run that goes on, its folder locked before anything of it is read. */
function resume(given: TrainConfig, held: Release[]): Resumed & { dir?: string } {
  const path = checkpointToResume(given);
  const dir = runFolderOf(path);
  if (dir !== undefined) {
    const folder = lockRunDir(dir);
    held.push(() => folder.release());
  }
  const resumed = resumeRun(given, path);
  return { ...resumed, dir };
}

function makeRunDir(given: TrainConfig, held: Release[]): string {
  const folder = openRunDir(given, 'train');
  held.push(() => folder.release());
  return folder.path;
}

async function openData(config: TrainConfig, signal?: AbortSignal): Promise<{ train: Dataset; val: Dataset }> {
  const data = requireData(config.data);
  const open = { singleCls: config.single_cls, classes: config.classes, signal };
  const train = await openDataset(data, 'train', { ...open, fraction: config.fraction });
  announce(train);
  const val = await openDataset(data, 'val', open);
  announce(val);
  return { train, val };
}

/** The state of a run fits the classes that it was trained on. */
function refuseOtherClasses({ names }: RunDescription, train: Dataset): void {
  if (names.length === train.names.length) return;
  throw new UserError(
    'fixed-at-resume',
    `the run that is resumed knows ${names.length} classes, the dataset has ${train.names.length}`,
    'resume with the dataset that the run began with; to train its weights on other classes start a new run: model=…/last.safetensors',
  );
}

/** Images of a batch and their longer side. */
function inputOf(
  config: TrainConfig,
  { spec, parameters }: Network,
  { gpu }: Engine,
): { batch: number; imgsz: number } {
  const weights = parameters.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
  const batch = config.batch > 0 ? config.batch : fittingBatch(spec, weights, config.imgsz, gpu?.memory);
  warnOfMemory(spec, weights, config.imgsz, batch, gpu?.memory);
  return { batch, imgsz: imageSize(config.imgsz, spec.stride) };
}

/** Fine-tuning keeps the size that the model was trained with, where the user does not say. */
async function withModelsSize(given: TrainConfig): Promise<TrainConfig> {
  if (wasGiven(given, 'imgsz') || !given.model) return given;
  return { ...given, imgsz: sideFor(given, { trained: await trainedOf(given.model) }) };
}

function requireData(data: string | null): string {
  if (data) return data;
  throw new UserError(
    'missing-data',
    'training needs a dataset: data= is missing',
    'for example: yolo train data=my-data.yaml model=yolov8n.pt, or data=shapes for a made-up set',
  );
}

/** @throws UserError 'cannot-train' */
async function startEngine({ device, deterministic, tf32 }: TrainConfig): Promise<Engine> {
  const engine = await selectEngine({ device, deterministic, tf32 });
  requireTraining(engine);
  log.info(describeEngine(engine));
  return engine;
}

function freshProgress(): Progress {
  return {
    epoch: 0,
    batchInEpoch: 0,
    index: 0,
    lossSums: [0, 0, 0],
    lossBatches: 0,
    badBatches: 0,
    bestFitness: 0,
    bestEpoch: -1,
    seconds: 0,
    recoveries: 0,
    lrScale: 1,
    updates: 0,
    lastStep: -1,
    labelSlots: 1,
    rows: [],
  };
}

function loaderOptions(config: TrainConfig, train: Dataset, batch: number, imgsz: number): TrainLoaderOptions {
  return {
    images: train.images,
    imgsz,
    batch,
    augment: config,
    seed: config.seed,
    workers: limitWorkers(config.workers),
    cache: config.cache,
    rect: config.rect,
    multiScale: config.multi_scale,
  };
}

/** Ends threads and releases everything that the run holds. */
export function disposeRun(run: Run): Promise<void> {
  return releaseAll(run.held);
}

/** What was taken last is given back first. */
async function releaseAll(held: Release[]): Promise<void> {
  for (const release of held.splice(0).reverse()) await release();
}

/** Objects of each class, for cls_pw. */
function countClasses({ names, images }: Dataset): number[] {
  const counts = new Array<number>(names.length).fill(0);
  for (const { labels } of images) for (let i = 0; i < labels.length; i += 5) counts[labels[i]]++;
  return counts;
}
