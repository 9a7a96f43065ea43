/** A batch without a dataset: to measure a training step, and to compare its numbers. */
import { labelsToPx } from '../../core/boxes.js';
import { rng } from '../../core/rng.js';
import type { StepBatch } from './step.js';

/** Objects on each image. */
const LABELS = 8;

/** Images of noise with objects of ordinary size; always the same ones. @returns images [B, H, W, 3] with H = W = imgsz */
export function syntheticBatch(batch: number, imgsz: number): StepBatch {
  const random = rng(0);
  const images = Uint8Array.from({ length: batch * imgsz * imgsz * 3 }, () => random.int(256));
  const labels = Array.from({ length: batch }, () => {
    const rows = Array.from({ length: LABELS }, () => [
      random.int(80),
      random.uniform(0.25, 0.75),
      random.uniform(0.25, 0.75),
      random.uniform(0.1, 0.4),
      random.uniform(0.1, 0.4),
    ]);
    return labelsToPx(Float32Array.from(rows.flat()), { width: imgsz, height: imgsz });
  });
  return { images, shape: [batch, imgsz, imgsz], labels };
}
