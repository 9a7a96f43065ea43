/** Validation of a training run: the average after each epoch, the best weights at the end. */
import type { NamedArray } from '../../core/types.js';
import { toFile } from '../../nn/layout.js';
import { loadCheckpoint } from '../../nn/weights.js';
import { type Evaluation, evaluate } from '../val/evaluate.js';
import { type BestInfo, saveBest } from './checkpoint.js';
import type { EpochMetrics, LossItems } from './results-csv.js';
import type { Run } from './setup.js';
import type { TrainHooks } from './trainer.js';

export interface RunValidation {
  losses: LossItems;
  metrics: EpochMetrics;
  evaluation: Evaluation;
}

/** After an epoch: only the figures that results.csv keeps. @throws Interrupted */
export function validateAverage(run: Run, hooks: TrainHooks): Promise<RunValidation> {
  const average = Object.entries(run.step.readAverage()).map(([name, array]) => [name, toFile(array)] as const);
  return validateWeights(run, hooks, new Map(average), false);
}

/** At the end: the best checkpoint, with every figure; it keeps them. @throws Interrupted */
export async function validateBest(run: Run, hooks: TrainHooks): Promise<RunValidation> {
  const { weights, info } = await loadCheckpoint(run.bestPath);
  const validation = await validateWeights(run, hooks, weights, true);
  const final = { epochs: run.progress.epoch, ...validation.metrics };
  saveBest(run.bestPath, run.description, weights, { ...(info as unknown as BestInfo), final });
  return validation;
}

async function validateWeights(
  run: Run,
  hooks: TrainHooks,
  weights: ReadonlyMap<string, NamedArray>,
  full: boolean,
): Promise<RunValidation> {
  const { config, detector, val } = run;
  detector.setWeights(weights);
  const evaluation = await evaluate(detector, val, {
    imgsz: run.imgsz,
    batch: run.schedule.batch * 2,
    rect: true,
    conf: config.conf,
    iou: config.iou,
    maxDet: config.max_det,
    agnostic: config.agnostic_nms,
    classes: config.classes,
    singleCls: config.single_cls,
    workers: config.workers,
    coco: full,
    errors: full,
    onBatch: hooks.onValidation,
    signal: hooks.signal,
    onImage: full ? hooks.onBestImage : undefined,
  });
  const [box_loss, cls_loss, dfl_loss] = evaluation.loss ?? [Number.NaN, Number.NaN, Number.NaN];
  const { precision, recall, mAP50 } = evaluation;
  return {
    losses: { box_loss, cls_loss, dfl_loss },
    metrics: { precision, recall, mAP50, 'mAP50-95': evaluation['mAP50-95'] },
    evaluation,
  };
}
