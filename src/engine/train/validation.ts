/** Validation of a training run: the EMA weights after each epoch, the best weights at the end. */
import { notify } from '../../core/observers.js';
import { toFile } from '../../nn/layout.js';
import { loadCheckpoint } from '../../nn/weights.js';
import { evaluationOptions } from '../options.js';
import { type EvaluateObserver, type EvaluateOptions, type Evaluation, evaluate } from '../val/evaluate.js';
import { type BestInfo, saveBest } from './checkpoint.js';
import type { Run } from './observer.js';
import type { EpochMetrics, LossItems } from './results.js';

/** What a validation gives: what results.csv keeps of it, and all of it. */
export interface RunValidation {
  losses: LossItems;
  metrics: EpochMetrics;
  evaluation: Evaluation;
}

/** Of several workers only the first has all of it. */
export type EmaValidation = Omit<RunValidation, 'evaluation'> & Partial<Pick<RunValidation, 'evaluation'>>;

/** After an epoch: only the figures that results.csv keeps. @throws Interrupted */
export async function validateEma(run: Run): Promise<EmaValidation> {
  const ema = Object.entries(run.step.readEma()).map(([name, array]) => [name, toFile(array)] as const);
  run.detector.setWeights(new Map(ema));
  const { cluster, detector, val } = run;
  const options = validationOptions(run, false);
  if (!cluster) return resultOf(await evaluate(detector, val, options));
  const { evaluateTogether } = await import('./cluster/evaluate.js');
  const evaluation = await evaluateTogether(cluster, detector, val, options);
  const { losses, metrics } = await cluster.fromFirst(evaluation && figuresOf(evaluation));
  return { losses, metrics, evaluation };
}

/** At the end: the best checkpoint, with every figure; it keeps them. @throws Interrupted */
export async function validateBest(run: Run): Promise<RunValidation> {
  const { weights, info } = await loadCheckpoint(run.bestPath);
  run.detector.setWeights(weights);
  const validation = resultOf(await evaluate(run.detector, run.val, validationOptions(run, true)));
  const final = { epochs: run.progress.epoch, ...validation.metrics };
  saveBest(run.bestPath, run.description, weights, { ...(info as unknown as BestInfo), final });
  return validation;
}

/** @param full with COCO's figures and typed mistakes; observers get the images */
function validationOptions(
  { config, imgsz, schedule, signal, observers }: Run,
  full: boolean,
): EvaluateOptions & { observers: EvaluateObserver[] } {
  return {
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
  };
}

function resultOf(evaluation: Evaluation): RunValidation {
  return { ...figuresOf(evaluation), evaluation };
}

function figuresOf(evaluation: Evaluation): Pick<RunValidation, 'losses' | 'metrics'> {
  const [box_loss, cls_loss, dfl_loss] = evaluation.loss ?? [Number.NaN, Number.NaN, Number.NaN];
  const { precision, recall, mAP50 } = evaluation;
  return {
    losses: { box_loss, cls_loss, dfl_loss },
    metrics: { precision, recall, mAP50, 'mAP50-95': evaluation['mAP50-95'] },
  };
}
