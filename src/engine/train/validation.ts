/** Validation of a training run: the EMA weights after each epoch, the best weights at the end. */
import { notify } from '../../core/observers.js';
import type { NamedArray } from '../../core/types.js';
import { toFile } from '../../nn/layout.js';
import { loadCheckpoint } from '../../nn/weights.js';
import { evaluationOptions } from '../options.js';
import { type Evaluation, evaluate } from '../val/evaluate.js';
import { type BestInfo, saveBest } from './checkpoint.js';
import type { Run } from './observer.js';
import type { EpochMetrics, LossItems } from './results.js';

/** What a validation gives: what results.csv keeps of it, and all of it. */
export interface RunValidation {
  losses: LossItems;
  metrics: EpochMetrics;
  evaluation: Evaluation;
}

/** After an epoch: only the figures that results.csv keeps. @throws Interrupted */
export function validateEma(run: Run): Promise<RunValidation> {
  const ema = Object.entries(run.step.readEma()).map(([name, array]) => [name, toFile(array)] as const);
  return validateWeights(run, new Map(ema), false);
}

/** At the end: the best checkpoint, with every figure; it keeps them. @throws Interrupted */
export async function validateBest(run: Run): Promise<RunValidation> {
  const { weights, info } = await loadCheckpoint(run.bestPath);
  const validation = await validateWeights(run, weights, true);
  const final = { epochs: run.progress.epoch, ...validation.metrics };
  saveBest(run.bestPath, run.description, weights, { ...(info as unknown as BestInfo), final });
  return validation;
}

/** @param full with COCO's figures and typed mistakes; observers get the images */
async function validateWeights(
  { config, detector, val, imgsz, schedule, signal, observers }: Run,
  weights: ReadonlyMap<string, NamedArray>,
  full: boolean,
): Promise<RunValidation> {
  detector.setWeights(weights);
  const evaluation = await evaluate(detector, val, {
    imgsz,
    batch: schedule.batch * 2,
    rect: true,
    ...evaluationOptions(config),
    coco: full,
    errors: full,
    signal,
    observers: [
      {
        onBatch: (done, total) => notify(observers, 'onValidation', done, total),
        onImage: full ? (image) => notify(observers, 'onBestImage', image) : undefined,
      },
    ],
  });
  const [box_loss, cls_loss, dfl_loss] = evaluation.loss ?? [Number.NaN, Number.NaN, Number.NaN];
  const { precision, recall, mAP50 } = evaluation;
  return {
    losses: { box_loss, cls_loss, dfl_loss },
    metrics: { precision, recall, mAP50, 'mAP50-95': evaluation['mAP50-95'] },
    evaluation,
  };
}
