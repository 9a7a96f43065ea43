/**
 * Learning rates, momentum and gradient accumulation as functions of the iteration: YOLOv8's recipe (Ultralytics 8.4, compared
 * with a run of version 8.4.190 in test/golden/optimizer). In double precision; the results are inputs of the compiled step.
 */
import { roundHalfEven } from '../core/round.js';

/** Settings of the schedule; names as the options lr0, lrf, cos_lr, warmup_epochs … */
export interface ScheduleSettings {
  epochs: number;
  batchesPerEpoch: number;
  /** Images per batch. */
  batch: number;
  /** Nominal batch size: gradients are accumulated over about so many images per step. */
  nbs: number;
  lr0: number;
  /** Final learning rate as a fraction of lr0. */
  lrf: number;
  cosLr: boolean;
  momentum: number;
  warmupEpochs: number;
  warmupMomentum: number;
  warmupBiasLr: number;
  /** False for the Adam family, where `momentum` is β₁ and has no warm-up. */
  warmsMomentum: boolean;
  /** Number of warm-up iterations, instead of `warmupEpochs`. */
  warmupIterations?: number;
}

/** Hyperparameters of an iteration. */
export interface BatchRates {
  lrWeight: number;
  lrBn: number;
  lrBias: number;
  momentum: number;
  /** Iterations per step. */
  accumulate: number;
}

/** Iterations per step after the warm-up. */
export function fullAccumulation(batch: number, nbs: number): number {
  return Math.max(roundHalfEven(nbs / batch), 1);
}

/** Weight decay scaled by the actual number of images per step: weightDecay · batch · accumulation / nbs. */
export function scaledWeightDecay(weightDecay: number, batch: number, nbs: number): number {
  return (weightDecay * batch * fullAccumulation(batch, nbs)) / nbs;
}

/** Learning rate of an epoch as a fraction of lr0: linear decay to lrf, or cosine decay. @param epoch counted from 0 */
export function epochFactor(
  epoch: number,
  { epochs, lrf, cosLr }: Pick<ScheduleSettings, 'epochs' | 'lrf' | 'cosLr'>,
): number {
  if (cosLr) return ((1 - Math.cos((epoch * Math.PI) / epochs)) / 2) * (lrf - 1) + 1;
  return Math.max(1 - epoch / epochs, 0) * (1 - lrf) + lrf;
}

/** Number of iterations of the warm-up, which ends before the last epoch; 0: none. */
export function warmupBatches(s: ScheduleSettings): number {
  if (s.warmupIterations !== undefined) return s.warmupIterations;
  return roundHalfEven(Math.max(Math.min(s.warmupEpochs, s.epochs - 1), 0) * s.batchesPerEpoch);
}

/** Hyperparameters of an iteration. @param epoch counted from 0 @param index of the iteration, counted over the whole run */
export function ratesAt(s: ScheduleSettings, epoch: number, index: number): BatchRates {
  const full = Math.min(fullAccumulation(s.batch, s.nbs), Math.max(s.epochs * s.batchesPerEpoch, 1));
  const target = s.lr0 * epochFactor(epoch, s);
  const n = warmupBatches(s);
  if (n <= 0 || index > n) {
    return { lrWeight: target, lrBn: target, lrBias: target, momentum: s.momentum, accumulate: full };
  }
  const t = index / n;
  const ramp = (from: number, to: number): number => from + (to - from) * t;
  return {
    lrWeight: ramp(0, target),
    lrBn: ramp(0, target),
    lrBias: ramp(s.warmupBiasLr, target),
    momentum: s.warmsMomentum ? ramp(s.warmupMomentum, s.momentum) : s.momentum,
    accumulate: Math.max(1, roundHalfEven(ramp(1, full))),
  };
}

/**
 * Choice of optimizer=auto. For more than 10,000 steps SGD with the settings of the article "YOLOv8: The Missing Paper", else
 * AdamW with a learning rate by the number of classes (Ultralytics 8.4, build_optimizer).
 */
export function autoOptimizer(run: { images: number; batch: number; nbs: number; epochs: number; classes: number }): {
  optimizer: 'SGD' | 'AdamW';
  lr0: number;
  momentum: number;
  warmupBiasLr?: number;
} {
  const iterations = Math.ceil(run.images / Math.max(run.batch, run.nbs)) * run.epochs;
  if (iterations > 10_000) return { optimizer: 'SGD', lr0: 0.01, momentum: 0.9 };
  const lr0 = Number(((0.002 * 5) / (4 + run.classes)).toFixed(6));
  return { optimizer: 'AdamW', lr0, momentum: 0.9, warmupBiasLr: 0 };
}
