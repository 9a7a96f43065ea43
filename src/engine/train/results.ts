/**
 * What training gives while it runs and when it ends, and results.csv. Programs that use the package compile these types
 * (`skipLibCheck: false` included), so none of them leads to TensorFlow's.
 */
import { writeFileAtomic } from '../../io/files.js';
import type { Evaluation } from '../val/evaluate.js';

/** An epoch, as checkpoints keep it and results.csv shows it. */
export interface EpochRow {
  /** From 1. */
  epoch: number;
  /** Seconds since the run began, interruptions not counted. */
  time: number;
  train: LossItems;
  /** Absent when the epoch was not validated. */
  val?: LossItems;
  metrics?: EpochMetrics;
  /** Learning rates of the last batch: convolutions, BatchNorm, biases. */
  lr: [number, number, number];
}

/** Box, class and DFL loss with their gains, mean over batches. */
export interface LossItems {
  box_loss: number;
  cls_loss: number;
  dfl_loss: number;
}

/** Figures of a validation, 0..1. */
export interface EpochMetrics {
  precision: number;
  recall: number;
  mAP50: number;
  'mAP50-95': number;
}

/** What one epoch gave; also the line that `json=true` prints. */
export interface TrainEpoch {
  /** From 1. */
  epoch: number;
  epochs: number;
  /** Seconds since the run began. */
  time: number;
  train: LossItems;
  val?: LossItems;
  metrics?: EpochMetrics;
  /** Learning rate of the convolutions at the end of the epoch. */
  lr: number;
}

/** What a run leaves; also the last line that `json=true` prints. */
export interface TrainSummary {
  best: string | null;
  last: string | null;
  results: string;
  save_dir: string;
  mAP50: number | null;
  'mAP50-95': number | null;
  /** The validation of the best weights, for the table. */
  evaluation?: Evaluation;
}

/** Where an epoch stands after a batch. */
export interface BatchReport {
  epoch: number;
  epochs: number;
  /** Batches done and batches of the epoch. */
  batch: number;
  batches: number;
  /** Mean losses of the epoch so far. */
  losses: LossItems;
  /** Objects in this batch. */
  instances: number;
  /** Longer side of the network's input, pixels. */
  size: number;
  rssMb: number;
}

/** What a program may listen to. */
export interface TrainCallbacks {
  /** After every batch. */
  onBatch?(report: BatchReport): void;
  /** Batches done and batches of the validation under way. */
  onValidation?(done: number, total: number): void;
}

const COLUMNS = [
  'epoch',
  'time',
  'train/box_loss',
  'train/cls_loss',
  'train/dfl_loss',
  'metrics/precision(B)',
  'metrics/recall(B)',
  'metrics/mAP50(B)',
  'metrics/mAP50-95(B)',
  'val/box_loss',
  'val/cls_loss',
  'val/dfl_loss',
  'lr/pg0',
  'lr/pg1',
  'lr/pg2',
];

/** Six significant digits for times and rates, five decimals for the rest; empty where nothing was measured. */
const six = (x: number | undefined): string => (x === undefined ? '' : String(Number(x.toPrecision(6))));
const five = (x: number | undefined): string => (x === undefined ? '' : String(Number(x.toFixed(5))));

/**
 * Writes results.csv: a row an epoch, with the columns and the precision that users of the `yolo` command know. All of it
 * each time, from the rows that the checkpoint keeps, so that a resumed run has one unbroken table.
 * @throws UserError when the disk is full or the folder can't be written
 */
export function writeResultsCsv(path: string, rows: readonly EpochRow[]): void {
  const lines = rows.map(({ epoch, time, train, val, metrics, lr }) =>
    [
      epoch,
      six(time),
      five(train.box_loss),
      five(train.cls_loss),
      five(train.dfl_loss),
      five(metrics?.precision),
      five(metrics?.recall),
      five(metrics?.mAP50),
      five(metrics?.['mAP50-95']),
      five(val?.box_loss),
      five(val?.cls_loss),
      five(val?.dfl_loss),
      ...lr.map(six),
    ].join(','),
  );
  writeFileAtomic(path, `${[COLUMNS.join(','), ...lines].join('\n')}\n`);
}
