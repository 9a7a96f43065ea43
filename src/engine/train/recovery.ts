/**
 * When loss or gradient stay non-finite the run goes back to its last good checkpoint and halves the learning rate: the same rate
 * on the same batches would end the same way. Three times at most.
 */
import { existsSync } from 'node:fs';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { loadRun } from './checkpoint.js';
import type { Run } from './setup.js';

const MAX_RECOVERIES = 3;

/**
 * Puts state and progress back to the last checkpoint.
 * @throws UserError diverged (exit code 1) when there is none, or after three times
 */
export function recover(run: Run): void {
  const recoveries = run.progress.recoveries + 1;
  const lrScale = run.progress.lrScale / 2;
  const hint = 'lower lr0, look at the labels with: yolo check data=…';
  if (recoveries > MAX_RECOVERIES) {
    throw new UserError(
      'diverged',
      `loss or gradient were not finite again after going back ${MAX_RECOVERIES} times`,
      hint,
      1,
    );
  }
  if (!run.config.save || !existsSync(run.lastPath)) {
    throw new UserError(
      'diverged',
      'loss or gradient stay non-finite and there is no checkpoint to go back to yet',
      hint,
      1,
    );
  }
  const { state, progress } = loadRun(run.lastPath);
  run.step.restore(state);
  Object.assign(run.progress, progress, { recoveries, lrScale, badBatches: 0 });
  log.warn(
    `going back to epoch ${progress.epoch} with half the learning rate (${recoveries} of ${MAX_RECOVERIES} times)`,
  );
}
