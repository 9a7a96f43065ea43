/**
 * A training run as its observers see it: what it consists of, and what it tells as it goes, to its plots and its report, to the
 * command's display, to programs.
 */
import type { TrainConfig } from '../../cfg/schema.js';
import type { Batch } from '../../data/batch.js';
import type { Dataset } from '../../data/dataset.js';
import type { TrainLoader } from '../../data/loader.js';
import type { Network } from '../../nn/model.js';
import type { ScheduleSettings } from '../../optim/schedule.js';
import type { DetectorWithLoss } from '../val/detector-with-loss.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import type { RunDescription } from './checkpoint.js';
import type { Cluster } from './cluster/cluster.js';
import type { Progress } from './progress.js';
import type { BatchReport, EpochRow, TrainCallbacks } from './results.js';
import type { TrainStep } from './step.js';

/** All methods are optional and waited for; what one of them throws ends the run. */
export interface TrainObserver extends TrainCallbacks {
  /** The run is ready for its first batch. */
  onStart?(run: Run): void | Promise<void>;
  /** Before the batches of an epoch, of which some are done when a run goes on in its middle. */
  onEpochStart?(start: Pick<BatchReport, 'epoch' | 'epochs' | 'batch' | 'batches'>): void | Promise<void>;
  /** A batch as it goes into the network, before its step. @param index over the whole run */
  onInput?(batch: Batch, index: number): void | Promise<void>;
  /** The EMA weights were validated, in an epoch that has a validation. */
  onEma?(evaluation: Evaluation): void | Promise<void>;
  /** After an epoch. */
  onEpoch?(row: EpochRow): void | Promise<void>;
  /** Every image of the validation of the best weights … */
  onBestImage?(image: EvaluatedImage): void | Promise<void>;
  /** … and what came of it. */
  onBest?(evaluation: Evaluation): void | Promise<void>;
  /** However the run ends; before what it holds is released. */
  onEnd?(): void | Promise<void>;
}

/** What a run is given besides its configuration. */
export interface RunOptions {
  /** Aborted: the batch or the validation ends, last is written, `Interrupted` is thrown. */
  signal?: AbortSignal;
  /** Told what happens, after the run's own plots and report. */
  observers?: readonly TrainObserver[];
}

/** A training run that is ready for its next batch. */
export interface Run extends Required<Pick<RunOptions, 'observers'>>, Pick<RunOptions, 'signal'> {
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
  /** Validates; its weights are set before each use. */
  detector: DetectorWithLoss;
  progress: Progress;
  /** Long side of the network's input, pixels. */
  imgsz: number;
  /** The other workers, where several share the run. */
  cluster?: Cluster;
  /** Gives back threads, tensors and the lock of the folder. */
  held: Release[];
}

/** Gives something back that a run holds. */
export type Release = () => void | Promise<void>;
