/** When a run ends: its epochs are done, its time is over, or its fitness has not risen for too long. */
import type { TrainConfig } from '../../cfg/schema.js';
import { log } from '../../core/log.js';
import type { Progress } from './progress.js';

/** What ends a run: the key that says so. */
export type End = 'epochs' | 'time' | 'patience';

/** What decides about the end of a run. */
export interface Endable {
  progress: Progress;
  schedule: { epochs: number };
  config: Pick<TrainConfig, 'time' | 'patience'>;
}

/** What ends the run where it stands; undefined: nothing yet. */
export function endOf({ progress, schedule, config }: Endable): End | undefined {
  if (outOfTime(config.time, progress.seconds)) return 'time'; // then the epochs have been fitted to it
  if (progress.epoch >= schedule.epochs) return 'epochs';
  return outOfPatience(progress, progress.epoch - 1, config.patience) ? 'patience' : undefined;
}

/** Says why a run ends before its last epoch. */
export function announceEnd(run: Endable): void {
  const { config, progress } = run;
  if (endOf(run) !== 'patience') return;
  log.info(
    `Stopping early: no better mAP50-95 in the last ${config.patience} epochs; the best was epoch ${progress.bestEpoch + 1}. patience= changes this (0: never).`,
  );
}

/** Whether to stop after `epoch` (from 0); patience 0 means never. */
function outOfPatience(progress: Progress, epoch: number, patience: number): boolean {
  return patience > 0 && progress.bestEpoch >= 0 && epoch - progress.bestEpoch >= patience;
}

/** @param hours of `time=`, null for no limit */
export function outOfTime(hours: number | null, seconds: number): boolean {
  return hours !== null && seconds >= hours * 3600;
}

/**
 * Epochs that fit into `time=` at the mean pace so far, at least those that are done.
 * @param hours null for no limit
 * @param epochs as planned now
 */
export function fittedEpochs(hours: number | null, epochs: number, { epoch, seconds }: Progress): number {
  if (hours === null || epoch === 0) return epochs;
  const fitted = Math.max(Math.ceil((hours * 3600) / (seconds / epoch)), epoch);
  if (fitted !== epochs) log.info(`time=${hours}: ${fitted} epochs fit`);
  return fitted;
}
