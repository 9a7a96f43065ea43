/**
 * The folder `weights` of a run: last, best and epochN. `best` is written before `last`, which names its epoch, so that a
 * run that was cut off between the two writes it again; it is found out and replaced when it is gone. When loss or gradient
 * stay non-finite the run goes back to `last`.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { openSafetensors } from '../../io/safetensors.js';
import { toFile } from '../../nn/layout.js';
import { type BestInfo, infoOf, loadRun, saveBest, saveRun } from './checkpoint.js';
import type { Run } from './observer.js';
import type { Progress } from './progress.js';
import type { Arrays } from './state.js';
import { endOf } from './stopper.js';

/** Name of the best weights of a run. */
export const BEST = 'best.safetensors';

const MAX_RECOVERIES = 3;

/**
 * Writes the files of an epoch. `last` comes last: a run that is cut off before it does this epoch again.
 * @param best whether this is the best epoch so far
 */
export function saveEpoch(run: Run, best: boolean): void {
  const { save_period: period } = run.config;
  const { epoch } = run.progress;
  const state = run.step.read();
  if (best) writeBest(run, state.ema);
  if (period > 0 && epoch % period === 0) {
    saveRun(join(run.weightsDir, `epoch${epoch}.safetensors`), run.description, state, run.progress);
  }
  saveLast(run, state);
}

/** Writes `last` where the run stands, also in the middle of an epoch. */
export function saveLast(run: Run, state = run.step.read()): void {
  saveRun(run.lastPath, run.description, state, run.progress);
}

/** Writes the EMA weights as the best ones, of the epoch that `progress` says. */
function writeBest(run: Run, ema: Arrays = run.step.readEma()): void {
  const weights = new Map(Object.entries(ema).map(([name, array]) => [name, toFile(array)]));
  saveBest(run.bestPath, run.description, weights, infoOf(run.progress, run.progress.bestEpoch));
}

/** Replaces best weights that a resumed run should have and has not: by those of `last` if they are the best ones. */
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

/**
 * Puts state and progress back to the last checkpoint, with half the learning rate: the same rate on the same batches would
 * end the same way.
 * @throws UserError diverged (exit code 1) when there is none, or after MAX_RECOVERIES times
 */
export function recover(run: Run): void {
  const recoveries = run.progress.recoveries + 1;
  const lrScale = run.progress.lrScale / 2;
  if (recoveries > MAX_RECOVERIES)
    throw diverged(`loss or gradient were not finite again after going back ${MAX_RECOVERIES} times`);
  if (!run.config.save || !existsSync(run.lastPath))
    throw diverged('loss or gradient stay non-finite and there is no checkpoint to go back to yet');
  const { state, progress } = loadRun(run.lastPath);
  run.step.restore(state);
  Object.assign(run.progress, progress, { recoveries, lrScale, badBatches: 0 });
  log.warn(
    `going back to epoch ${progress.epoch} with half the learning rate (${recoveries} of ${MAX_RECOVERIES} times)`,
  );
}

function diverged(message: string): UserError {
  return new UserError('diverged', message, 'lower lr0, look at the labels with: yolo check data=…', 1);
}
