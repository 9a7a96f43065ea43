/**
 * Everything that a training run needs before its first batch: the network with its starting weights, the data, the
 * optimiser and its schedule, the state. A resumed run takes model, state and arguments from its checkpoint.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { dump } from 'js-yaml';
import { wasGiven } from '../cfg/load.js';
import type { TrainConfig } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { announce, type Dataset, openDataset } from '../data/dataset.js';
import { createTrainLoader, limitWorkers, type TrainLoader, type TrainLoaderOptions } from '../data/loader.js';
import { writeFileAtomic } from '../io/files.js';
import { classWeights } from '../loss/class-weights.js';
import { describeEngine, type Engine, selectEngine } from '../nn/backend.js';
import { toArrays } from '../nn/layout.js';
import type { Network } from '../nn/model.js';
import { describeGroups } from '../optim/groups.js';
import { OPTIMIZERS, type OptimizerName } from '../optim/optimizers.js';
import { type ScheduleSettings, scaledWeightDecay } from '../optim/schedule.js';
import { fittingBatch, warnOfMemory } from './batch-size.js';
import type { Progress, RunDescription } from './checkpoint.js';
import { DetectorWithLoss } from './detector-with-loss.js';
import { sideFor, trainedOf } from './model-defaults.js';
import { pictureSize } from './picture-size.js';
import { createRunDir } from './run-dir.js';
import { TrainStep } from './step.js';
import { chooseOptimizer } from './train-optimizer.js';
import { resumeRun, startingPoint } from './train-start.js';
import { freshState } from './train-state.js';
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
  /** Name of the optimiser in use (`auto` is resolved). */
  optimizer: OptimizerName;
}

/** Puts a run together. @throws UserError when model, data or engine can't be used */
export async function prepareRun(given: TrainConfig): Promise<Run> {
  const { gpu } = await requireTraining(given);
  const resumed = given.resume === false ? undefined : resumeRun(given);
  const config = resumed?.config ?? (await withModelsSize(given));
  const data = requireData(config.data);
  const open = { singleCls: config.single_cls, classes: config.classes };
  const train = await openDataset(data, 'train', { ...open, fraction: config.fraction });
  announce(train);
  const val = await openDataset(data, 'val', open);
  announce(val);
  const start = resumed ?? (await startingPoint(config, train));
  const { network } = start;
  const { spec } = network;
  const weights = network.parameters.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
  const batch = config.batch > 0 ? config.batch : fittingBatch(spec, weights, config.imgsz, gpu?.memory);
  warnOfMemory(spec, weights, config.imgsz, batch, gpu?.memory);
  const imgsz = pictureSize(config.imgsz, spec.stride);
  const loader = createTrainLoader(loaderOptions(config, train, batch, imgsz));
  const { optimizer, schedule } = chooseOptimizer(config, train, batch, loader.batches);
  const trainables = trainablesOf(network, config.freeze);
  const rule = OPTIMIZERS[optimizer];
  const decay = scaledWeightDecay(config.weight_decay, batch, config.nbs);
  const state = start.state ?? freshState(toArrays(start.params), trainables, rule.slots);
  tf.dispose(start.params);
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
  log.info(
    `optimizer: ${optimizer}(lr=${schedule.lr0}, momentum=${schedule.momentum}) with ${describeGroups(trainables, decay)}`,
  );
  const dir = resumed?.dir ?? createRunDir(given, 'train');
  const weightsDir = join(dir, 'weights');
  mkdirSync(weightsDir, { recursive: true });
  const description: RunDescription = {
    names: train.names,
    yaml: network.spec.yaml,
    args: { ...config, batch, model: config.model },
  };
  writeFileAtomic(join(dir, 'args.yaml'), dump({ ...config }));
  return {
    config,
    dir,
    weightsDir,
    lastPath: join(weightsDir, 'last.safetensors'),
    bestPath: join(weightsDir, 'best.safetensors'),
    network,
    description,
    schedule,
    train,
    val,
    loader,
    step,
    detector: new DetectorWithLoss(network, train.names, { gains, classWeights: weightOfClass }),
    progress: resumed?.progress ?? freshProgress(),
    optimizer,
    imgsz,
  };
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

/** Training needs gradients of native speed: the wasm engine predicts and validates only. */
async function requireTraining({ device, deterministic, tf32 }: TrainConfig): Promise<Engine> {
  const engine = await selectEngine({ device, deterministic, tf32 });
  if (engine.canTrain) {
    log.info(describeEngine(engine));
    return engine;
  }
  throw new UserError(
    'needs-native',
    `training needs the native engine; ${engine.description} predicts and validates only${engine.why ? ` (${engine.why})` : ''}`,
    engine.faster ?? 'run: yolo setup',
  );
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
export async function disposeRun(run: Run): Promise<void> {
  await run.loader.close();
  run.detector.dispose();
  run.step.dispose();
}

/** Objects of each class, for cls_pw. */
function countClasses({ names, images }: Dataset): number[] {
  const counts = new Array<number>(names.length).fill(0);
  for (const { labels } of images) for (let i = 0; i < labels.length; i += 5) counts[labels[i]]++;
  return counts;
}
