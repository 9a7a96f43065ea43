/**
 * What training tells while it runs and when it ends. Types alone, and none that lead to TensorFlow's: programs that use the
 * package compile them (`skipLibCheck: false` included).
 */
import type { Evaluation } from '../val/evaluate.js';
import type { EpochMetrics, LossItems } from './results-csv.js';

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
