/** Early stopping: no better fitness for `patience` epochs. Fitness is mAP50-95, the field's own yardstick. */
import type { Progress } from './checkpoint.js';

/** Notes the fitness of an epoch. @returns true when it is the best so far */
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
