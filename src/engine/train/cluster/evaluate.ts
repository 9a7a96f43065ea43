/** Validation on several workers: each predicts a part of the batches, and the first one measures all. */
import { Interrupted } from '../../../core/errors.js';
import type { Dataset } from '../../../data/dataset.js';
import type { EvaluateOptions, Evaluation } from '../../val/evaluate.js';
import { evaluateParts, predictPart } from '../../val/parts.js';
import type { LossDetector } from '../../val/predictions.js';
import type { Cluster } from './cluster.js';

/**
 * `evaluate` by the detectors of all workers, which have the same weights.
 * @returns undefined on a worker that is not the first
 * @throws Interrupted on all workers when one of them was asked to stop; UserError 'worker-lost'
 */
export async function evaluateTogether(
  cluster: Cluster,
  detector: LossDetector,
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<Evaluation | undefined> {
  const shard = { index: cluster.index + 1, count: cluster.size };
  const part = await predictPart(detector, dataset, { ...options, shard }).catch((error) => {
    if (error instanceof Interrupted) return new Uint8Array(0);
    throw error;
  });
  const parts = await cluster.gatherBytes(part);
  if (parts.some(({ length }) => length === 0)) throw new Interrupted();
  if (!cluster.first) return undefined;
  const { signal: _, ...measured } = options; // not to be interrupted: the others wait for the figures
  return evaluateParts(parts, dataset, measured);
}
