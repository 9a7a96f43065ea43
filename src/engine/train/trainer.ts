/**
 * Training: the recipe of YOLOv8 around the compiled step. It reads from top to bottom: train → epoch → batch. A run is a
 * function of its configuration: interrupted anywhere and resumed, it ends with the same bits as if left alone.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainConfig } from '../../cfg/schema.js';
import { Interrupted, UserError } from '../../core/errors.js';
import { hearSignals } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import type { Batch } from '../../data/batch.js';
import { ratesAt } from '../../optim/schedule.js';
import { shellWord } from '../report/settings.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import { requireBest, writeBest } from './best-weights.js';
import { type Progress, saveRun } from './checkpoint.js';
import { recover } from './recovery.js';
import type { BatchReport, TrainCallbacks, TrainEpoch, TrainSummary } from './results.js';
import { type EpochRow, type LossItems, writeResultsCsv } from './results-csv.js';
import { disposeRun, prepareRun, type Run } from './setup.js';
import type { StepResult } from './step.js';
import { announceEnd, endOf, noteFitness } from './stopper.js';
import { fittedEpochs, outOfTime } from './time-limit.js';
import { validateAverage, validateBest } from './validation.js';

export interface TrainHooks extends TrainCallbacks {
  /** Aborted: the batch or the validation ends, last is written, `Interrupted` is thrown. */
  signal?: AbortSignal;
  onReady?(run: Run): void | Promise<void>;
  /** Before the batches of an epoch, of which some are done when a run goes on in its middle. */
  onEpochStart?(start: Pick<BatchReport, 'epoch' | 'epochs' | 'batch' | 'batches'>): void;
  /** The batch as it goes into the network, before its step. */
  onInput?(batch: Batch, index: number): void | Promise<void>;
  /** The validation of the averaged weights, where an epoch has one. */
  onAverage?(evaluation: Evaluation): void | Promise<void>;
  /** After an epoch; its row is the last one of `run.progress`. */
  onEpoch?(): void | Promise<void>;
  /** Every image of the validation of the best weights … */
  onBestImage?(image: EvaluatedImage): void | Promise<void>;
  /** … and what came of it. */
  onBest?(evaluation: Evaluation): void | Promise<void>;
  /** However the run ends; before what it holds is released. */
  onEnd?(): void | Promise<void>;
}

export type { BatchReport, TrainEpoch, TrainSummary } from './results.js';

/** Mean losses of the batches that were trained on; NaN when there was none. */
function meanLosses({ lossSums, lossBatches }: Progress): LossItems {
  const [box_loss, cls_loss, dfl_loss] = lossSums.map((sum) => sum / lossBatches);
  return { box_loss, cls_loss, dfl_loss };
}

/**
 * Trains as the configuration says, one result an epoch.
 * @throws UserError when model, data or engine can't be used; Interrupted after `signal`
 */
export async function* train(config: TrainConfig, hooks: TrainHooks = {}): AsyncGenerator<TrainEpoch, TrainSummary> {
  await hearSignals(hooks.signal);
  const run = await prepareRun(config, hooks.signal);
  try {
    await hooks.onReady?.(run);
    if (run.config.plots) {
      hooks = await (await import('./plots.js')).withPlots(run, hooks);
      hooks = (await import('../report/report.js')).withReport(run, hooks);
    }
    while (endOf(run) === undefined) {
      const row = await trainEpoch(run, hooks);
      if (row === undefined) continue; // gone back to a good checkpoint
      await hooks.onEpoch?.();
      yield { ...row, epochs: run.schedule.epochs, lr: Number(row.lr[0].toPrecision(8)) };
    }
    announceEnd(run);
    return await finish(run, hooks);
  } catch (error) {
    throw leave(run, error);
  } finally {
    await hooks.onEnd?.();
    await disposeRun(run);
  }
}

/** One epoch: its batches, the validation of the average, checkpoint and results. @returns undefined after a recovery */
async function trainEpoch(run: Run, hooks: TrainHooks): Promise<EpochRow | undefined> {
  const { progress, schedule, config } = run;
  const { epoch } = progress;
  const seconds = stopwatch(progress.seconds);
  const lr = await trainBatches(run, hooks, seconds);
  if (lr === undefined) return undefined;
  const row: EpochRow = { epoch: epoch + 1, time: 0, train: meanLosses(progress), lr };
  let best = false;
  if (config.val || epoch + 1 === schedule.epochs || outOfTime(config.time, seconds())) {
    const { losses, metrics, evaluation } = await validateAverage(run, hooks);
    await hooks.onAverage?.(evaluation);
    row.val = losses;
    row.metrics = metrics;
    best = noteFitness(progress, epoch, metrics['mAP50-95']);
  }
  row.time = seconds();
  Object.assign(progress, {
    epoch: epoch + 1,
    batchInEpoch: 0,
    lossSums: [0, 0, 0],
    lossBatches: 0,
    seconds: row.time,
  });
  progress.rows.push(row);
  schedule.epochs = fittedEpochs(config.time, schedule.epochs, progress);
  writeResultsCsv(join(run.dir, 'results.csv'), progress.rows);
  if (config.save) save(run, best);
  return row;
}

/** The files of an epoch. `last` comes last: a run that is cut off before it does this epoch again. */
function save(run: Run, best: boolean): void {
  const { save_period: period } = run.config;
  const { epoch } = run.progress;
  const state = run.step.read();
  if (best) writeBest(run, state.ema);
  if (period > 0 && epoch % period === 0) saveState(run, state, join(run.weightsDir, `epoch${epoch}.safetensors`));
  saveState(run, state);
}

function saveState(run: Run, state = run.step.read(), path = run.lastPath): void {
  const { updates, lastStep, labelSlots } = state;
  saveRun(path, run.description, state, { ...run.progress, updates, lastStep, labelSlots });
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
async function trainBatches(run: Run, hooks: TrainHooks, seconds: () => number): Promise<EpochRow['lr'] | undefined> {
  const { progress, schedule, step, loader } = run;
  const { epoch } = progress;
  const mosaic = epoch < schedule.epochs - run.config.close_mosaic;
  if (!mosaic && epoch === schedule.epochs - run.config.close_mosaic) log.info('Closing mosaic for the last epochs');
  hooks.onEpochStart?.({
    epoch: epoch + 1,
    epochs: schedule.epochs,
    batch: progress.batchInEpoch,
    batches: loader.batches,
  });
  let rates = ratesAt(schedule, epoch, Math.max(progress.index - 1, 0));
  for await (const batch of loader.epoch(epoch, { mosaic, startBatch: progress.batchInEpoch })) {
    await hearSignals(hooks.signal);
    rates = ratesAt(schedule, epoch, progress.index);
    await hooks.onInput?.(batch, progress.index);
    const result = await step.run(batch, scaled(rates, progress.lrScale), progress.index);
    note(progress, result);
    if (progress.badBatches >= MAX_BAD_BATCHES) {
      recover(run);
      return undefined;
    }
    progress.seconds = seconds();
    hooks.onBatch?.(reportOf(run, batch));
    if (outOfTime(run.config.time, progress.seconds)) break;
  }
  if (progress.lossBatches === 0 && progress.batchInEpoch > 0) {
    recover(run); // an epoch in which nothing was learnt
    return undefined;
  }
  const s = scaled(rates, progress.lrScale);
  return [s.lrWeight, s.lrBn, s.lrBias];
}

/** Counts a batch, and its losses if they and their gradient were finite. */
function note(progress: Progress, result: StepResult): void {
  progress.index++;
  progress.batchInEpoch++;
  if (result.nonFinite) {
    progress.badBatches++;
    warnOfBatch(progress, result);
    return;
  }
  progress.badBatches = 0;
  progress.lossBatches++;
  result.items.forEach((x, i) => {
    progress.lossSums[i] += x;
  });
}

function reportOf({ progress, schedule, loader }: Run, batch: Batch): BatchReport {
  return {
    epoch: progress.epoch + 1,
    epochs: schedule.epochs,
    batch: progress.batchInEpoch,
    batches: loader.batches,
    losses: meanLosses(progress),
    instances: batch.labels.reduce((n, l) => n + l.length / 5, 0),
    size: Math.max(batch.shape[1], batch.shape[2]),
    rssMb: Math.round(process.memoryUsage.rss() / 1048576),
  };
}

/** So many batches in a row whose loss or gradient is not finite are no accident. */
const MAX_BAD_BATCHES = 5;

/** A batch whose loss or gradient is not finite is left out; the message says which of the two it was. */
function warnOfBatch({ epoch, batchInEpoch }: Progress, { nonFinite, items }: StepResult): void {
  const [box, cls, dfl] = items.map((item) => item.toPrecision(4));
  const losses = `box ${box}, cls ${cls}, dfl ${dfl}`;
  const what =
    nonFinite === 'loss' ? `the loss is not finite (${losses})` : `the loss is finite (${losses}), its gradient is not`;
  log.warn(`epoch ${epoch + 1}, batch ${batchInEpoch}: ${what}; this batch is left out`);
}

function scaled<T extends { lrWeight: number; lrBn: number; lrBias: number }>(rates: T, by: number): T {
  if (by === 1) return rates;
  return { ...rates, lrWeight: rates.lrWeight * by, lrBn: rates.lrBn * by, lrBias: rates.lrBias * by };
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
    saveState(run);
  } catch (failure) {
    if (interrupted) return failure;
  }
  if (!existsSync(run.lastPath)) return error;
  const goOn = `go on with: yolo train resume=${shellWord(run.lastPath)}`;
  if (interrupted) return new Interrupted(`interrupted; ${goOn}`);
  return new UserError(error.code, error.message, error.hint ? `${error.hint}; then ${goOn}` : goOn, error.exitCode);
}

/** Validates the best weights once more and sums the run up. */
async function finish(run: Run, hooks: TrainHooks): Promise<TrainSummary> {
  const { config, progress } = run;
  const summary: TrainSummary = {
    best: config.save ? run.bestPath : null,
    last: config.save ? run.lastPath : null,
    results: join(run.dir, 'results.csv'),
    save_dir: run.dir,
    mAP50: null,
    'mAP50-95': null,
  };
  if (config.save) {
    requireBest(run);
    const { metrics, evaluation } = await validateBest(run, hooks);
    await hooks.onBest?.(evaluation);
    summary.evaluation = evaluation;
    summary.mAP50 = metrics.mAP50;
    summary['mAP50-95'] = metrics['mAP50-95'];
  } else if (progress.rows.at(-1)?.metrics) {
    summary.mAP50 = progress.rows.at(-1)?.metrics?.mAP50 ?? null;
    summary['mAP50-95'] = progress.rows.at(-1)?.metrics?.['mAP50-95'] ?? null;
  }
  return summary;
}
