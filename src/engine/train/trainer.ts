/**
 * Training: the recipe of YOLOv8 around the compiled step. It reads from top to bottom: train → epoch → batches → batch. A
 * run is a function of its configuration: interrupted anywhere and resumed, it ends with the same bits as if left alone.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainConfig } from '../../cfg/schema.js';
import { Interrupted, UserError } from '../../core/errors.js';
import { checkSignals } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { notify } from '../../core/observers.js';
import type { Batch } from '../../data/batch.js';
import { type BatchRates, ratesAt } from '../../optim/schedule.js';
import { shellWord } from '../report/settings.js';
import type { Told } from './cluster/cluster.js';
import type { Run, RunOptions } from './observer.js';
import { countBatch, countEpoch, meanLosses, noteFitness, type Progress } from './progress.js';
import { type BatchReport, type EpochRow, type TrainEpoch, type TrainSummary, writeResultsCsv } from './results.js';
import { disposeRun, prepareRun } from './run.js';
import type { StepResult } from './step.js';
import { announceEnd, endOf, fittedEpochs, outOfTime } from './stopper.js';
import { validateBest, validateEma } from './validation.js';
import { recover, requireBest, saveEpoch, saveLast } from './weights-folder.js';

/** This many batches in a row whose loss or gradient is not finite are no accident. */
const MAX_BAD_BATCHES = 5;

/**
 * Trains as the configuration says.
 * @yields one result an epoch
 * @throws UserError when model, data or engine can't be used; Interrupted after `signal`
 */
export async function* train(config: TrainConfig, options: RunOptions = {}): AsyncGenerator<TrainEpoch, TrainSummary> {
  await checkSignals(options.signal);
  const run = await prepareRun(config, options);
  try {
    await notify(run.observers, 'onStart', run);
    while (endOf(run) === undefined) {
      const row = await trainEpoch(run);
      if (row === undefined) continue; // gone back to a good checkpoint
      await notify(run.observers, 'onEpoch', row);
      yield { ...row, epochs: run.schedule.epochs, lr: Number(row.lr[0].toPrecision(8)) };
    }
    announceEnd(run);
    return await finish(run);
  } catch (error) {
    throw leave(run, error);
  } finally {
    await notify(run.observers, 'onEnd').finally(() => disposeRun(run));
  }
}

/** One epoch: its batches, the validation of the EMA weights, checkpoint and results. @returns undefined after a recovery */
async function trainEpoch(run: Run): Promise<EpochRow | undefined> {
  const { progress, schedule, config } = run;
  const { epoch } = progress;
  const seconds = stopwatch(progress.seconds);
  const lr = await trainBatches(run, seconds);
  if (lr === undefined) return undefined;
  const row: EpochRow = { epoch: epoch + 1, time: 0, train: meanLosses(progress), lr };
  let best = false;
  if (config.val || epoch + 1 === schedule.epochs || outOfTime(config.time, progress.seconds)) {
    const { losses, metrics, evaluation } = await validateEma(run);
    if (evaluation) await notify(run.observers, 'onEma', evaluation);
    Object.assign(row, { val: losses, metrics });
    best = noteFitness(progress, epoch, metrics['mAP50-95']);
  }
  row.time = run.cluster ? await run.cluster.fromFirst(seconds()) : seconds();
  countEpoch(progress, row);
  schedule.epochs = fittedEpochs(config.time, schedule.epochs, progress);
  if (run.cluster?.first !== false) writeResultsCsv(join(run.dir, 'results.csv'), progress.rows);
  if (config.save) saveEpoch(run, best);
  return row;
}

/** @returns seconds that have passed, and those before */
function stopwatch(before: number): () => number {
  const started = performance.now();
  return () => before + (performance.now() - started) / 1000;
}

/**
 * The batches of the epoch under way, from where it stands.
 * @returns the learning rates of the last batch; undefined when the run went back to a checkpoint
 */
async function trainBatches(run: Run, seconds: () => number): Promise<EpochRow['lr'] | undefined> {
  const { progress, schedule, loader, config } = run;
  const { epoch, batchInEpoch: batch } = progress;
  const closing = schedule.epochs - config.close_mosaic;
  if (epoch === closing) log.info('Closing mosaic for the last epochs');
  const start = { epoch: epoch + 1, epochs: schedule.epochs, batch, batches: loader.batches };
  await notify(run.observers, 'onEpochStart', start);
  let rates = ratesOf(run, Math.max(progress.index - 1, 0));
  for await (const input of loader.epoch(epoch, { mosaic: epoch < closing, startBatch: batch })) {
    await checkSignals(run.cluster ? undefined : run.signal);
    rates = ratesOf(run, progress.index);
    const told = await trainBatch(run, input, rates, seconds());
    if (told?.stop) throw new Interrupted(); // all workers stop after the same batch
    if (progress.badBatches >= MAX_BAD_BATCHES) {
      await goBack(run);
      return undefined;
    }
    progress.seconds = told?.seconds ?? seconds();
    await notify(run.observers, 'onBatch', reportOf(run, input, told?.instances));
    if (outOfTime(config.time, progress.seconds)) break;
  }
  if (progress.lossBatches === 0 && progress.batchInEpoch > 0) {
    await goBack(run); // an epoch in which nothing was learnt
    return undefined;
  }
  return [rates.lrWeight, rates.lrBn, rates.lrBias];
}

/** The rates of a batch, lowered by each recovery. @param index over the whole run */
function ratesOf({ schedule, progress: { epoch, lrScale } }: Run, index: number): BatchRates {
  const { lrWeight, lrBn, lrBias, ...rest } = ratesAt(schedule, epoch, index);
  return { lrWeight: lrWeight * lrScale, lrBn: lrBn * lrScale, lrBias: lrBias * lrScale, ...rest };
}

/** One batch through the compiled step. @returns what the workers told each other */
async function trainBatch(run: Run, batch: Batch, rates: BatchRates, seconds: number): Promise<Told | undefined> {
  const { progress, step, observers, cluster, signal } = run;
  await notify(observers, 'onInput', batch, progress.index);
  const instances = batch.idle ? 0 : countInstances(batch);
  const own = cluster && [Number(signal?.aborted ?? false), cluster.first ? seconds : 0, instances];
  const result = await step.run(batch, rates, progress, own);
  countBatch(progress, result);
  if (result.nonFinite) warnOfBatch(progress, result);
  const [stop, time, all] = result.told ?? [];
  return cluster && { stop, seconds: time, instances: all };
}

/** Back to the last checkpoint, on all workers. */
async function goBack(run: Run): Promise<void> {
  if (run.cluster) await (await import('./cluster/agree.js')).recoverTogether(run, run.cluster);
  else recover(run);
}

/** A batch whose loss or gradient is not finite is left out; the message says which of the two it was. */
function warnOfBatch({ epoch, batchInEpoch }: Progress, { nonFinite, items }: StepResult): void {
  const [box, cls, dfl] = items.map((item) => item.toPrecision(4));
  const losses = `box ${box}, cls ${cls}, dfl ${dfl}`;
  const what =
    nonFinite === 'loss' ? `the loss is not finite (${losses})` : `the loss is finite (${losses}), its gradient is not`;
  log.warn(`epoch ${epoch + 1}, batch ${batchInEpoch}: ${what}; this batch is left out`);
}

const countInstances = ({ labels }: Batch): number => labels.reduce((n, l) => n + l.length / 5, 0);

function reportOf({ progress, schedule, loader }: Run, batch: Batch, instances = countInstances(batch)): BatchReport {
  return {
    epoch: progress.epoch + 1,
    epochs: schedule.epochs,
    batch: progress.batchInEpoch,
    batches: loader.batches,
    losses: meanLosses(progress),
    instances,
    size: Math.max(batch.shape[1], batch.shape[2]),
    rssMb: Math.round(process.memoryUsage.rss() / 1048576),
  };
}

/** Validates the best weights once more and sums the run up. */
async function finish(run: Run): Promise<TrainSummary> {
  const { config, progress, dir } = run;
  const files = { results: join(dir, 'results.csv'), save_dir: dir };
  if (!config.save) {
    const { mAP50 = null, 'mAP50-95': mAP = null } = progress.rows.at(-1)?.metrics ?? {};
    return { best: null, last: null, ...files, mAP50, 'mAP50-95': mAP };
  }
  requireBest(run);
  const { metrics, evaluation } = await validateBest(run);
  await notify(run.observers, 'onBest', evaluation);
  const { mAP50, 'mAP50-95': mAP } = metrics;
  return { best: run.bestPath, last: run.lastPath, ...files, mAP50, 'mAP50-95': mAP, evaluation };
}

/**
 * A run ends before its time. It is saved where it stands if it can go on from there later: after a signal, and when
 * images can't be read any more.
 * @returns what the run ends with
 */
function leave(run: Run, error: unknown): unknown {
  const interrupted = error instanceof Interrupted;
  if (!interrupted && (!(error instanceof UserError) || error.code === 'diverged')) return error;
  if (!run.config.save) return interrupted ? new Interrupted('interrupted; save=false, so nothing was kept') : error;
  if (run.progress.index === 0) return error; // not begun
  try {
    saveLast(run);
  } catch (failure) {
    if (interrupted) return failure;
  }
  if (!existsSync(run.lastPath)) return error;
  const goOn = `go on with: yolo train resume=${shellWord(run.lastPath)}`;
  if (interrupted) return new Interrupted(`interrupted; ${goOn}`);
  return new UserError(error.code, error.message, error.hint ? `${error.hint}; then ${goOn}` : goOn, error.exitCode);
}
