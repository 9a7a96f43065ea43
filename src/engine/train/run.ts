/**
 * Everything that a training run needs before its first batch: engine, data, the network with its starting weights, the
 * optimizer and its schedule, the compiled step, the run folder. A resumed run takes all but the data from its checkpoint.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { describeEngine, type Engine, requireTraining, selectEngine } from '../../backend/select-engine.js';
import { wasGiven } from '../../cfg/load.js';
import type { TrainConfig } from '../../cfg/schema.js';
import { LABEL } from '../../core/boxes.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { announce, type Dataset, openDataset } from '../../data/dataset.js';
import { createTrainLoader } from '../../data/loader.js';
import { orCannotWrite, removeUnfinished, writeFileAtomic } from '../../io/files.js';
import { classWeights } from '../../loss/class-weights.js';
import type { Network } from '../../nn/model.js';
import { sizeOf } from '../../nn/parameters.js';
import { describeGroups } from '../../optim/groups.js';
import { OPTIMIZERS } from '../../optim/optimizers.js';
import { scaledWeightDecay } from '../../optim/schedule.js';
import { inputSide } from '../image-size.js';
import { sideFor, trainedOf } from '../model-defaults.js';
import { datasetOptions, trainLoaderOptions } from '../options.js';
import { trainCommand } from '../report/settings.js';
import { lockRunDir, openRunDir, type RunDir } from '../run-dir.js';
import { DetectorWithLoss, type LossSettings } from '../val/detector-with-loss.js';
import { chooseAmp } from './amp.js';
import { fittingBatch, warnOfMemory } from './batch-size.js';
import type { RunDescription } from './checkpoint.js';
import type { Cluster } from './cluster/cluster.js';
import type { Members } from './cluster/members.js';
import type { Release, Run, RunOptions } from './observer.js';
import { chooseOptimizer, frozenLayers, trainablesOf } from './optimizer.js';
import { freshProgress } from './progress.js';
import { checkpointToResume, type Resumed, resumeRun, runFolderOf } from './resume.js';
import { type StartingPoint, startingPoint } from './starting-weights.js';
import { freshState } from './state.js';
import { TrainStep } from './step.js';
import { BEST, restoreBest } from './weights-folder.js';

/** Puts a run together. @throws UserError when model, data, engine or run folder can't be used; nothing is held then */
export async function prepareRun(given: TrainConfig, options: RunOptions): Promise<Run> {
  const held: Release[] = [];
  try {
    const run = await assemble(given, options, held);
    restoreBest(run);
    if (run.config.plots) run.observers = [...(await import('./plots.js')).drawers(run), ...run.observers];
    return run;
  } catch (error) {
    await releaseAll(held);
    throw error;
  }
}

async function assemble(given: TrainConfig, { signal, observers = [] }: RunOptions, held: Release[]): Promise<Run> {
  const members = await membersHere(given);
  const writes = members === undefined || members.index === 0;
  const resumed = given.resume === false ? undefined : resume(given, writes, held);
  const engine = await startEngine(resumed?.config ?? given);
  const cluster = members && (await joinCluster(members, given, held));
  const { train, val } = await openData(resumed?.config ?? given, signal);
  if (resumed) refuseOtherClasses(resumed.run, train);
  const start = resumed ?? (await begin(given, train));
  const { network } = start;
  // The arguments of a run say what it computes with, so that it is resumed with the same.
  const chosen = chooseAmp(start.config.amp, engine);
  const amp = cluster ? await cluster.fromFirst(chosen) : chosen;
  const config = { ...start.config, amp: amp && ('bf16' as const), ...(!writes && WRITES_NOTHING) };
  if (cluster) refuseUnequalParts(config, cluster.size);
  const { batch, imgsz } = inputOf(config, network, engine);
  const { part } = cluster ?? {};
  const loader = createTrainLoader(trainLoaderOptions(config, train.images, { batch, imgsz, part }));
  held.push(() => loader.close());
  const { optimizer, schedule } = resumed ?? chooseOptimizer(config, train, batch, loader.batches);
  Object.assign(schedule, { batch, nbs: config.nbs, batchesPerEpoch: loader.batches });
  const { step, detector } = compile({ ...start, config }, { train, val, schedule, optimizer, cluster }, held);
  const newRunDir = (): string => makeRunDir({ ...config, exist_ok: given.exist_ok }, held);
  const folder = writes ? prepareFolder(resumed?.dir ?? newRunDir(), config) : NO_FOLDER;
  const description = {
    names: train.names,
    yaml: network.spec.yaml,
    args: { ...config, batch, model: config.model },
    optimizer,
    schedule,
    commands: resumed?.commands ?? [trainCommand(config, batch)],
  };
  const progress = resumed?.progress ?? freshProgress();
  const parts = { config, network, description, schedule, train, val, loader, step, detector, progress, imgsz };
  const run = { ...parts, ...folder, cluster, observers, signal, held };
  if (cluster) await (await import('./cluster/agree.js')).agree(run, cluster);
  return run;
}

/** What the workers besides the first do not do. */
const WRITES_NOTHING = { save: false, plots: false } as const;
const NO_FOLDER = { dir: '', weightsDir: '', lastPath: '', bestPath: '' };

/** The workers of the cluster that this process is one of; undefined: it trains alone. @throws UserError 'bad-cluster' */
async function membersHere({ processes }: TrainConfig): Promise<Members | undefined> {
  const { TF_CONFIG } = process.env;
  const members = TF_CONFIG ? (await import('./cluster/members.js')).membersOf(TF_CONFIG) : undefined;
  const workers = members?.addresses.length ?? 1;
  if (processes === 1 || processes === workers) return members;
  throw TF_CONFIG
    ? new UserError('bad-cluster', `processes=${processes}, but TF_CONFIG has ${workers}`, 'leave processes out')
    : new UserError('needs-command', `processes=${processes} is an option of the command`, 'yolo train processes=…');
}

async function joinCluster(members: Members, config: TrainConfig, held: Release[]): Promise<Cluster> {
  const { Cluster } = await import('./cluster/cluster.js');
  const cluster = await Cluster.join(members, { ...config, syncBn: config.sync_bn });
  held.push(() => cluster.close());
  return cluster;
}

/** The run that goes on, its folder locked before anything of it is read. */
function resume(given: TrainConfig, writes: boolean, held: Release[]): Resumed & { dir?: string } {
  const path = checkpointToResume(given);
  const dir = runFolderOf(path);
  if (dir !== undefined && writes) hold(lockRunDir(dir), held);
  return { ...resumeRun(given, path), dir };
}

/** @throws UserError 'cannot-train' */
async function startEngine({ device, deterministic, tf32 }: TrainConfig): Promise<Engine> {
  const engine = await selectEngine({ device, deterministic, tf32, onednn: true });
  requireTraining(engine);
  log.info(describeEngine(engine));
  return engine;
}

async function openData(config: TrainConfig, signal?: AbortSignal): Promise<{ train: Dataset; val: Dataset }> {
  const data = requireData(config.data);
  const open = { ...datasetOptions(config), signal };
  const train = await openDataset(data, 'train', { ...open, fraction: config.fraction });
  announce(train);
  const val = await openDataset(data, 'val', open);
  announce(val);
  return { train, val };
}

function requireData(data: string | null): string {
  if (data) return data;
  throw new UserError(
    'missing-data',
    'training needs a dataset: data= is missing',
    'for example: yolo train data=my-data.yaml model=yolov8n.pt, or data=shapes for a generated dataset',
  );
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

/** A fresh run. Fine-tuning keeps the image size that the model was trained with, where the user does not say. */
async function begin(given: TrainConfig, train: Dataset): Promise<StartingPoint & { config: TrainConfig }> {
  const keeps = !wasGiven(given, 'imgsz') && given.model;
  const config = keeps ? { ...given, imgsz: sideFor(given, { trained: await trainedOf(keeps) }) } : given;
  return { config, ...(await startingPoint(config, train)) };
}

/** Every worker has as many images of a batch as the others. */
function refuseUnequalParts({ batch }: TrainConfig, workers: number): void {
  if (batch > 0 && batch % workers === 0) return;
  const near = Math.max(1, Math.round(batch / workers)) * workers;
  throw new UserError(
    'bad-batch',
    batch > 0 ? `batch=${batch} can't be divided among ${workers} workers` : `batch=${batch} needs a single process`,
    batch > 0
      ? `for example batch=${near}`
      : `give the images of all workers together, for example batch=${8 * workers}`,
  );
}

/** Images of a batch and their longer side, pixels. */
function inputOf(
  config: TrainConfig,
  { spec, parameters }: Network,
  { gpu }: Engine,
): { batch: number; imgsz: number } {
  const weights = parameters.reduce((n, parameter) => n + sizeOf(parameter), 0);
  const batch = config.batch > 0 ? config.batch : fittingBatch(spec, weights, config.imgsz, gpu?.memory);
  warnOfMemory(spec, weights, config.imgsz, batch, gpu?.memory);
  return { batch, imgsz: inputSide(config.imgsz, spec.stride) };
}

/** The training step with its state, and the network that validates with the same loss. */
function compile(
  start: Pick<Resumed, 'config' | 'network' | 'state'> | (StartingPoint & { config: TrainConfig }),
  {
    train,
    val,
    schedule,
    optimizer,
    cluster,
  }: Pick<Run, 'train' | 'val' | 'schedule' | 'cluster'> & Pick<RunDescription, 'optimizer'>,
  held: Release[],
): Pick<Run, 'step' | 'detector'> {
  const { config, network } = start;
  const rule = OPTIMIZERS[optimizer];
  const trainables = trainablesOf(network, config.freeze);
  const decay = scaledWeightDecay(config.weight_decay, schedule.batch, schedule.nbs);
  const loss = lossSettings(config, train);
  const state = 'state' in start ? start.state : freshState(start.weights, trainables, rule.stateTensors);
  const frozen = frozenLayers(config.freeze);
  const compiled = { network, trainables, frozenLayers: frozen, rule, decay, amp: config.amp === 'bf16', ...loss };
  const step = new TrainStep(state, compiled, {}, cluster?.step);
  held.push(() => step.dispose());
  const detector = new DetectorWithLoss(network, train.names, { ...loss, mostLabels: mostLabels(val) });
  held.push(() => detector.dispose());
  const { lr0, momentum } = schedule;
  log.info(`optimizer: ${optimizer}(lr=${lr0}, momentum=${momentum}) with ${describeGroups(trainables, decay)}`);
  return { step, detector };
}

function lossSettings({ box, cls, dfl, cls_pw: power }: TrainConfig, train: Dataset): LossSettings {
  const gains = { box, cls, dfl };
  return { gains, classWeights: power > 0 ? classWeights(countClasses(train), power) : undefined };
}

/** Objects in the image that has most: the loss is then computed in the same way whichever batches come first. */
function mostLabels({ images }: Dataset): number {
  return images.reduce((most, { labels }) => Math.max(most, labels.length / LABEL), 0);
}

/** Objects of each class. @returns [K] */
function countClasses({ names, images }: Dataset): number[] {
  const counts = new Array<number>(names.length).fill(0);
  for (const { labels } of images) for (let i = 0; i < labels.length; i += 5) counts[labels[i]]++;
  return counts;
}

/** A resumed run whose checkpoint lies elsewhere gets a folder beside the one that it began in. */
function makeRunDir(config: TrainConfig, held: Release[]): string {
  return hold(openRunDir(config, 'train'), held).path;
}

function hold(folder: RunDir, held: Release[]): RunDir {
  held.push(() => folder.release());
  return folder;
}

/** Writes args.yaml. @throws UserError 'cannot-write' */
function prepareFolder(dir: string, config: TrainConfig): Pick<Run, 'dir' | 'weightsDir' | 'lastPath' | 'bestPath'> {
  const weightsDir = join(dir, 'weights');
  orCannotWrite(weightsDir, () => {
    mkdirSync(weightsDir, { recursive: true });
    removeUnfinished(weightsDir);
  });
  writeFileAtomic(join(dir, 'args.yaml'), dump({ ...config }));
  return { dir, weightsDir, lastPath: join(weightsDir, 'last.safetensors'), bestPath: join(weightsDir, BEST) };
}

/** Ends threads and releases everything that the run holds. */
export function disposeRun(run: Run): Promise<void> {
  return releaseAll(run.held);
}

/** What was taken last is given back first. */
async function releaseAll(held: Release[]): Promise<void> {
  for (const release of held.splice(0).reverse()) await release();
}
