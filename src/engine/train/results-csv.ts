/**
 * results.csv: one row an epoch, with the columns and the precision that users of the `yolo` command know. The file is
 * written anew each time, from the rows that the checkpoint keeps, so that a resumed run has one unbroken table.
 */
import { writeFileAtomic } from '../../io/files.js';

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

export interface LossItems {
  box_loss: number;
  cls_loss: number;
  dfl_loss: number;
}

export interface EpochMetrics {
  precision: number;
  recall: number;
  mAP50: number;
  'mAP50-95': number;
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

/** Six significant digits for losses and times, five decimals for metrics; empty where nothing was measured. */
const six = (x: number | undefined): string => (x === undefined ? '' : String(Number(x.toPrecision(6))));
const five = (x: number | undefined): string => (x === undefined ? '' : String(Number(x.toFixed(5))));

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
