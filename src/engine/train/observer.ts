/** What a training run tells as it goes: to its plots and its report, to the command's display, to programs. */
import type { Batch } from '../../data/batch.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import type { BatchReport, EpochRow, TrainCallbacks } from './results.js';
import type { Run } from './run.js';

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
