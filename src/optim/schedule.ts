/**
 * Learning rates, momentum and gradient accumulation as a function of the batch index: YOLOv8's recipe (reference run of
 * ultralytics 8.4.190, golden/optimizer). All in double precision; the results are inputs of the compiled step.
 */
import { roundHalfEven } from '../core/round.js';

export interface ScheduleSettings {
  epochs: number;
  batchesPerEpoch: number;
  /** Images of a batch. */
  batch: number;
  /** Nominal batch size: gradients are accumulated until about so many images have been seen. */
  nbs: number;
  lr0: number;
  /** Final learning rate as a fraction of lr0. */
  lrf: number;
  cosLr: boolean;
  momentum: number;
  warmupEpochs: number;
  warmupMomentum: number;
  warmupBiasLr: number;
  /** False for Adam and its kin, whose beta1 takes the place of momentum and has no warm-up. */
  warmsMomentum: boolean;
  /** Overrides the number of warm-up batches that warmupEpochs gives. */
  warmupIterations?: number;
}

/** What a batch is trained with. */
export interface BatchRates {
  lrWeight: number;
  lrBn: number;
  lrBias: number;
  momentum: number;
  /** A step is taken when so many batches have passed since the last one. */
  accumulate: number;
}

/** Batches over which gradients are accumulated once the warm-up is over. */
export function fullAccumulation(batch: number, nbs: number): number {
  return Math.max(roundHalfEven(nbs / batch), 1);
}

/** Weight decay, scaled to the images that a step really sees. */
export function scaledWeightDecay(weightDecay: number, batch: number, nbs: number): number {
  return (weightDecay * batch * fullAccumulation(batch, nbs)) / nbs;
}

/** Fraction of lr0 in epoch e of E: linear to lrf, or half a cosine. */
export function epochFactor(
  epoch: number,
  { epochs, lrf, cosLr }: Pick<ScheduleSettings, 'epochs' | 'lrf' | 'cosLr'>,
): number {
  if (cosLr) return ((1 - Math.cos((epoch * Math.PI) / epochs)) / 2) * (lrf - 1) + 1;
  return Math.max(1 - epoch / epochs, 0) * (1 - lrf) + lrf;
}

/** Number of batches of the warm-up; 0: none. It never takes the whole run. */
export function warmupBatches(s: ScheduleSettings): number {
  if (s.warmupIterations !== undefined) return s.warmupIterations;
  return roundHalfEven(Math.max(Math.min(s.warmupEpochs, s.epochs - 1), 0) * s.batchesPerEpoch);
}

/**
 * Rates of batch `index` (counted over the whole run) in `epoch`.
 */
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

/** What `optimizer: auto` chooses. Long runs: SGD as in the article "YOLOv8: The Missing Paper"; short ones: AdamW with a rate that fits the class count. */
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
