/** When a run ends: its epochs are done, its time is over, or it does not get better any more. */
import { log } from '../../core/log.js';
import type { Progress } from './checkpoint.js';
import { outOfTime } from './time-limit.js';

/** Notes the fitness of an epoch: mAP50-95, the field's own yardstick. @returns true when it is the best so far */
export function noteFitness(progress: Progress, epoch: number, fitness: number): boolean {
  const better = progress.bestEpoch < 0 || fitness > progress.bestFitness;
  if (better) {
    progress.bestFitness = fitness;
    progress.bestEpoch = epoch;
  }
  return better;
}

/** Whether to stop after `epoch` (from 0); patience 0 means never. */
export function outOfPatience(progress: Progress, epoch: number, patience: number): boolean {
  return patience > 0 && progress.bestEpoch >= 0 && epoch - progress.bestEpoch >= patience;
}

/** What ends the run where it stands: the key that says so; undefined: nothing yet. */
export function endOf(run: {
  progress: Progress;
  schedule: { epochs: number };
  config: { time: number | null; patience: number };
}): 'epochs' | 'time' | 'patience' | undefined {
  const { progress, schedule, config } = run;
  if (outOfTime(config.time, progress.seconds)) return 'time'; // then the epochs have been fitted to it
  if (progress.epoch >= schedule.epochs) return 'epochs';
  return outOfPatience(progress, progress.epoch - 1, config.patience) ? 'patience' : undefined;
}

/** Says why a run ends before its last epoch. */
export function announceEnd(run: Parameters<typeof endOf>[0]): void {
  const { config, progress } = run;
  if (endOf(run) !== 'patience') return;
  log.info(
    `Stopping early: no better mAP50-95 in the last ${config.patience} epochs; the best was epoch ${progress.bestEpoch + 1}. patience= changes this (0: never).`,
  );
}
