/**
 * Training: the recipe of YOLOv8 around the compiled step. It reads from top to bottom: train → epoch → batch. A run is a
 * function of its configuration: interrupted anywhere and resumed, it ends with the same bits as if left alone.
 */
import { join } from 'node:path';
import type { TrainConfig } from '../cfg/schema.js';
import { Interrupted } from '../core/errors.js';
import { hearSignals } from '../core/interruption.js';
import { log } from '../core/log.js';
import type { Batch } from '../data/batch.js';
import { ratesAt } from '../optim/schedule.js';
import { type Progress, saveInferenceWeights, saveRun } from './checkpoint.js';
import type { EvaluatedPicture, Evaluation } from './evaluate.js';
import { recover } from './recovery.js';
import { type EpochRow, type LossItems, writeResultsCsv } from './results-csv.js';
import type { StepResult } from './step.js';
import { noteFitness, outOfPatience } from './stopper.js';
import type { TrainCallbacks, TrainEpoch, TrainSummary } from './train-results.js';
import { disposeRun, prepareRun, type Run } from './train-setup.js';
import type { TrainState } from './train-state.js';
import { fittedEpochs, outOfTime } from './train-time.js';
import { validateAverage, validateBest } from './train-validation.js';

export interface TrainHooks extends TrainCallbacks {
  /** Aborted (Ctrl-C): the batch or the validation ends, last is written, `Interrupted` is thrown. */
  signal?: AbortSignal;
  onReady?(run: Run): void | Promise<void>;
  /** The batch as it goes into the network, before its step. */
  onInput?(batch: Batch, index: number): void | Promise<void>;
  /** The validation of the averaged weights, where an epoch has one. */
  onAverage?(evaluation: Evaluation): void | Promise<void>;
  /** After an epoch; its row is the last one of `run.progress`. */
  onEpoch?(): void | Promise<void>;
  /** Every picture of the validation of the best weights … */
  onBestPicture?(picture: EvaluatedPicture): void | Promise<void>;
  /** … and what came of it. */
  onBest?(evaluation: Evaluation): void | Promise<void>;
  /** However the run ends; before what it holds is released. */
  onEnd?(): void | Promise<void>;
}

export type { BatchReport, TrainEpoch, TrainSummary } from './train-results.js';

/** Mean losses of the batches that were trained on; NaN when there was none. */
function meanLosses({ lossSums, lossBatches }: Progress): LossItems {
  const [box_loss, cls_loss, dfl_loss] = lossSums.map((sum) => sum / lossBatches);
  return { box_loss, cls_loss, dfl_loss };
}

/**
 * Trains as the configuration says, one result an epoch.
 * @throws UserError when model, data or engine can't be used; Interrupted after Ctrl-C
 */
export async function* train(config: TrainConfig, hooks: TrainHooks = {}): AsyncGenerator<TrainEpoch, TrainSummary> {
  await hearSignals(hooks.signal);
  const run = await prepareRun(config);
  try {
    await hooks.onReady?.(run);
    if (run.config.plots) {
      hooks = await (await import('./train-plots.js')).withPlots(run, hooks);
      hooks = (await import('./report.js')).withReport(run, hooks);
    }
    const { progress } = run;
    while (progress.epoch < run.schedule.epochs) {
      const row = await trainEpoch(run, hooks);
      if (row === undefined) continue; // gone back to a good checkpoint
      await hooks.onEpoch?.();
      yield { ...row, epochs: run.schedule.epochs, lr: Number(row.lr[0].toPrecision(8)) };
      if (endsEarly(run)) break;
    }
    return await finish(run, hooks);
  } finally {
    await hooks.onEnd?.();
    await disposeRun(run);
  }
}

/** One epoch: its batches, the validation of the average, checkpoint and results. @returns undefined after a recovery */
async function trainEpoch(run: Run, hooks: TrainHooks): Promise<EpochRow | undefined> {
  const { progress, schedule, config } = run;
  const epoch = progress.epoch;
  const started = performance.now();
  const before = progress.seconds;
  const elapsed = (): number => before + (performance.now() - started) / 1000;
  const lr = await trainBatches(run, hooks, elapsed);
  if (lr === undefined) return undefined;
  const row: EpochRow = { epoch: epoch + 1, time: 0, train: meanLosses(progress), lr };
  const last = epoch + 1 === schedule.epochs || outOfTime(config.time, elapsed());
  let best = false;
  if (config.val || last) {
    const { losses, metrics, evaluation } = await validateAverage(run, hooks).catch((error: unknown) => {
      throw error instanceof Interrupted ? interrupted(run, elapsed()) : error;
    });
    await hooks.onAverage?.(evaluation);
    row.val = losses;
    row.metrics = metrics;
    best = noteFitness(progress, epoch, metrics['mAP50-95']);
  }
  row.time = elapsed();
  progress.seconds = row.time;
  progress.rows.push(row);
  progress.epoch = epoch + 1;
  progress.batchInEpoch = 0;
  progress.lossSums = [0, 0, 0];
  progress.lossBatches = 0;
  schedule.epochs = fittedEpochs(config.time, schedule.epochs, progress);
  writeResultsCsv(join(run.dir, 'results.csv'), progress.rows);
  if (config.save) {
    const state = run.step.read();
    const now = progressOf(run, state);
    // Best first: killed between the two, the run goes back to the epoch before and finds the same best again.
    if (best) saveInferenceWeights(run.bestPath, run.description, state, now);
    saveRun(run.lastPath, run.description, state, now);
    if (config.save_period > 0 && (epoch + 1) % config.save_period === 0) {
      saveRun(join(run.weightsDir, `epoch${epoch + 1}.safetensors`), run.description, state, now);
    }
  }
  return row;
}

/**
 * The batches of the epoch under way, from where it stands.
 * @returns the learning rates of the last batch; undefined when the run went back to a checkpoint
 */
async function trainBatches(run: Run, hooks: TrainHooks, elapsed: () => number): Promise<EpochRow['lr'] | undefined> {
  const { progress, schedule, step, loader } = run;
  const { epoch } = progress;
  const mosaic = epoch < schedule.epochs - run.config.close_mosaic;
  if (!mosaic && epoch === schedule.epochs - run.config.close_mosaic) log.info('Closing mosaic for the last epochs');
  let rates = ratesAt(schedule, epoch, Math.max(progress.index - 1, 0));
  for await (const batch of loader.epoch(epoch, { mosaic, startBatch: progress.batchInEpoch })) {
    rates = ratesAt(schedule, epoch, progress.index);
    await hooks.onInput?.(batch, progress.index);
    const result = await step.run(batch, scaled(rates, progress.lrScale), progress.index);
    progress.index++;
    progress.batchInEpoch++;
    if (result.nonFinite === undefined) {
      result.items.forEach((x, i) => {
        progress.lossSums[i] += x;
      });
      progress.lossBatches++;
      progress.badBatches = 0;
    } else {
      warnOfBatch(progress, result);
      if (++progress.badBatches >= MAX_BAD_BATCHES) {
        recover(run);
        return undefined;
      }
    }
    hooks.onBatch?.({
      epoch: epoch + 1,
      epochs: schedule.epochs,
      batch: progress.batchInEpoch,
      batches: loader.batches,
      losses: meanLosses(progress),
      instances: batch.labels.reduce((n, l) => n + l.length / 5, 0),
      size: Math.max(batch.shape[1], batch.shape[2]),
      rssMb: Math.round(process.memoryUsage.rss() / 1048576),
    });
    if (hooks.signal?.aborted) throw interrupted(run, elapsed());
    if (outOfTime(run.config.time, elapsed())) break;
  }
  const s = scaled(rates, progress.lrScale);
  return [s.lrWeight, s.lrBn, s.lrBias];
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

/** Progress with the counters of the step's state. */
function progressOf(run: Run, { updates, lastStep, labelSlots }: TrainState): Progress {
  return { ...run.progress, updates, lastStep, labelSlots };
}

/** Writes last. @returns what to throw, which says how to go on */
function interrupted(run: Run, seconds: number): Interrupted {
  if (!run.config.save) return new Interrupted('interrupted; save=false, so nothing was kept');
  const state = run.step.read();
  saveRun(run.lastPath, run.description, state, { ...progressOf(run, state), seconds });
  return new Interrupted(`interrupted; go on with: yolo train resume=${run.lastPath}`);
}

/** Early stopping and the time limit, after an epoch. */
function endsEarly(run: Run): boolean {
  const { progress, config } = run;
  if (outOfPatience(progress, progress.epoch - 1, config.patience)) {
    log.info(
      `Stopping early: no better mAP50-95 in the last ${config.patience} epochs; the best was epoch ${progress.bestEpoch + 1}. patience= changes this (0: never).`,
    );
    return true;
  }
  return outOfTime(config.time, progress.seconds);
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
  if (config.save && progress.bestEpoch >= 0) {
    const { metrics, evaluation } = await validateBest(run, hooks).catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
      throw new Interrupted(`interrupted while validating the best weights; they are in ${run.bestPath}`);
    });
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
