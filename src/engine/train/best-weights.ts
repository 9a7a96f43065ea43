/**
 * The best weights of a run: written before `last`, which names their epoch, so that a run that was cut off between the two
 * writes them again; found out and mended when they are gone.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { log } from '../../core/log.js';
import { openSafetensors } from '../../io/safetensors.js';
import { toFile } from '../../nn/layout.js';
import { type BestInfo, infoOf, type Progress, saveBest } from './checkpoint.js';
import type { Run } from './setup.js';
import type { Arrays } from './state.js';
import { endOf } from './stopper.js';

export const BEST = 'best.safetensors';

/** Writes the averaged weights as the best ones, of the epoch that `progress` says. */
export function writeBest(run: Run, average: Arrays = run.step.readAverage()): void {
  const weights = new Map(Object.entries(average).map(([name, array]) => [name, toFile(array)]));
  saveBest(run.bestPath, run.description, weights, infoOf(run.progress, run.progress.bestEpoch));
}

/** Best weights that a resumed run should have and has not: those of `last` if they are the best, else nothing is. */
export function restoreBest(run: Run): void {
  const { progress, config, bestPath } = run;
  if (!config.save || progress.bestEpoch < 0 || existsSync(bestPath)) return;
  const gone = `${bestPath} (epoch ${progress.bestEpoch + 1}) is not there`;
  if (progress.bestEpoch === progress.epoch - 1 && progress.batchInEpoch === 0) {
    log.warn(`${gone}: written anew from the checkpoint, which is of that epoch`);
    writeBest(run);
    return;
  }
  if (endOf(run)) return; // see requireBest
  log.warn(`${gone}: the best of the epochs from here on takes its place`);
  progress.bestEpoch = -1;
  progress.bestFitness = 0;
}

/** At the end there are best weights in any case: those of the last epoch where nothing else is left. */
export function requireBest(run: Run): void {
  const { progress, bestPath } = run;
  if (existsSync(bestPath)) return;
  log.warn(`${bestPath} is not there: the weights of epoch ${progress.epoch} take its place`);
  progress.bestEpoch = progress.epoch - 1;
  progress.bestFitness = progress.rows.at(-1)?.metrics?.['mAP50-95'] ?? 0;
  writeBest(run);
}

/** Whether the best weights beside this checkpoint have had their final validation after the epochs that are done. */
export function isValidated(checkpoint: string, { epoch }: Progress): boolean {
  const path = join(dirname(checkpoint), BEST);
  if (!existsSync(path)) return false;
  const { metadata, close } = openSafetensors(path);
  close();
  const info = JSON.parse(metadata.info ?? '{}') as Partial<BestInfo>;
  return info.final?.epochs === epoch;
}
