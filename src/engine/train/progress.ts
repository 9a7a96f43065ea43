/**
 * Where a run stands: every counter of it, kept here and nowhere else. A checkpoint holds this object as it is; going back
 * to a checkpoint puts it back.
 */
import type { EpochRow, LossItems } from './results.js';
import { freshCounters, type StepCounters, type StepResult } from './step.js';

/** The counters of a run. */
export interface Progress extends StepCounters {
  /** Epoch that comes next or is under way, from 0. */
  epoch: number;
  /** Batches of that epoch that are done. */
  batchInEpoch: number;
  /** Sums of the losses over the batches of the epoch under way: box, cls, dfl. */
  lossSums: [box: number, cls: number, dfl: number];
  /** Batches that they are sums of: those whose loss and gradient were finite. */
  lossBatches: number;
  /** This many batches in a row, the last one among them, had a loss or gradient that was not finite. */
  badBatches: number;
  /** mAP50-95 of the best epoch. */
  bestFitness: number;
  /** Epoch (from 0) of the best fitness, −1 before there is one. */
  bestEpoch: number;
  /** Seconds that the run has taken so far, interruptions not counted. */
  seconds: number;
  /** Times that the run went back to a good checkpoint after losses that were not finite. */
  recoveries: number;
  /** Factor on all learning rates, halved by each recovery. */
  lrScale: number;
  /** Epochs that are done. */
  rows: EpochRow[];
}

/** Of a run that has not begun. */
export function freshProgress(): Progress {
  return {
    ...freshCounters(),
    epoch: 0,
    batchInEpoch: 0,
    lossSums: [0, 0, 0],
    lossBatches: 0,
    badBatches: 0,
    bestFitness: 0,
    bestEpoch: -1,
    seconds: 0,
    recoveries: 0,
    lrScale: 1,
    rows: [],
  };
}

/** Counts a batch, and its losses if they and their gradient were finite. */
export function countBatch(progress: Progress, { items, nonFinite }: StepResult): void {
  progress.batchInEpoch++;
  if (nonFinite) {
    progress.badBatches++;
    return;
  }
  progress.badBatches = 0;
  progress.lossBatches++;
  items.forEach((loss, i) => {
    progress.lossSums[i] += loss;
  });
}

/** Mean losses of the epoch under way; NaN before there is one that is finite. */
export function meanLosses({ lossSums, lossBatches }: Progress): LossItems {
  const [box_loss, cls_loss, dfl_loss] = lossSums.map((sum) => sum / lossBatches);
  return { box_loss, cls_loss, dfl_loss };
}

/** Closes the epoch under way. @param row what it gave */
export function countEpoch(progress: Progress, row: EpochRow): void {
  Object.assign(progress, {
    epoch: row.epoch,
    batchInEpoch: 0,
    lossSums: [0, 0, 0],
    lossBatches: 0,
    seconds: row.time,
  });
  progress.rows.push(row);
}

/**
 * Notes the fitness (mAP50-95) of an epoch.
 * @param epoch from 0
 * @returns true when it is the best so far
 */
export function noteFitness(progress: Progress, epoch: number, fitness: number): boolean {
  const better = progress.bestEpoch < 0 || fitness > progress.bestFitness;
  if (better) Object.assign(progress, { bestFitness: fitness, bestEpoch: epoch });
  return better;
}
