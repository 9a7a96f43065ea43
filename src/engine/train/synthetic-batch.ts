/** A batch and a step without a dataset and a run: to measure training, and to compare its numbers. */
import { labelsToPx } from '../../core/boxes.js';
import { rng } from '../../core/rng.js';
import type { SessionConfig } from '../../graph/session-config.js';
import type { Network } from '../../nn/model.js';
import { OPTIMIZERS } from '../../optim/optimizers.js';
import { trainablesOf } from './optimizer.js';
import { freshState } from './state.js';
import { type StepBatch, TrainStep, type TrainStepOptions } from './step.js';

/** Objects on each image. */
const LABELS = 8;

/** Images of noise with objects of ordinary size; always the same ones. @returns images [B, H, W, 3] with H = W = imgsz */
export function syntheticBatch(batch: number, imgsz: number, classes = 80): StepBatch {
  const random = rng(0);
  const images = Uint8Array.from({ length: batch * imgsz * imgsz * 3 }, () => random.int(256));
  const labels = Array.from({ length: batch }, () => {
    const rows = Array.from({ length: LABELS }, () => [
      random.int(classes),
      random.uniform(0.25, 0.75),
      random.uniform(0.25, 0.75),
      random.uniform(0.1, 0.4),
      random.uniform(0.1, 0.4),
    ]);
    return labelsToPx(Float32Array.from(rows.flat()), { width: imgsz, height: imgsz });
  });
  return { images, shape: [batch, imgsz, imgsz], labels };
}

/** Rates for `syntheticStep`: an optimizer step after every batch. */
export const SYNTHETIC_RATES = { lrWeight: 1e-3, lrBn: 1e-3, lrBias: 1e-3, momentum: 0.937, accumulate: 1 };

/** The step of a fresh network with SGD, all layers trained. @param config of the session */
export function syntheticStep(
  network: Network,
  options: Pick<TrainStepOptions, 'gains' | 'amp'>,
  config?: SessionConfig,
): TrainStep {
  const trainables = trainablesOf(network, null);
  const rule = OPTIMIZERS.SGD;
  const state = freshState(network.init(0), trainables, rule.stateTensors);
  return new TrainStep(state, { network, trainables, frozenLayers: new Set(), rule, decay: 0, ...options }, config);
}
