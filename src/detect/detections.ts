/** From what a model gives for a batch to the objects of one image. */
import { DETECTION } from '../core/boxes.js';
import type { Detection } from '../core/types.js';
import { type NmsOptions, nonMaxSuppression } from './nms.js';

/** What a detector returns: [B, 4 + K, A] predictions, or [B, N, 6] finished rows (`endToEnd`). */
export interface BatchOutput {
  data: Float32Array;
  shape: readonly [batch: number, rows: number, columns: number];
}

/**
 * Detections of image `index` of a batch.
 * @param endToEnd the rows are final (x1 y1 x2 y2 confidence class) and are only filtered
 * @returns [N, 6] x1 y1 x2 y2 (pixels of the network's input) confidence class, most certain first
 */
export function detectionsOf(output: BatchOutput, index: number, options: NmsOptions, endToEnd = false): Float32Array {
  const [, rows, columns] = output.shape;
  const one = output.data.subarray(index * rows * columns, (index + 1) * rows * columns);
  return endToEnd ? filterRows(one, options) : nonMaxSuppression(one, columns, options);
}

/** Finished rows over `conf` and of the wanted classes; rows of score 0 are padding. */
function filterRows(rows: Float32Array, { conf, classes, maxDet = 300 }: NmsOptions): Float32Array {
  const wanted = classes?.length ? new Set(classes) : undefined;
  const kept: number[] = [];
  for (let i = 0; i < rows.length; i += DETECTION) {
    if (rows[i + 4] > conf && (!wanted || wanted.has(rows[i + 5]))) kept.push(i);
  }
  kept.sort((i, j) => rows[j + 4] - rows[i + 4] || i - j);
  const out = new Float32Array(Math.min(kept.length, maxDet) * DETECTION);
  for (let k = 0; k < out.length / DETECTION; k++) out.set(rows.subarray(kept[k], kept[k] + DETECTION), k * DETECTION);
  return out;
}

/** Rows as objects with class names. @param rows [N, 6], pixels of the image */
export function toDetections(rows: Float32Array, names: readonly string[]): Detection[] {
  const out: Detection[] = [];
  for (let i = 0; i < rows.length; i += DETECTION) {
    const cls = rows[i + 5];
    const box: Detection['box'] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
    out.push({ class: cls, name: names[cls] ?? `class${cls}`, confidence: rows[i + 4], box });
  }
  return out;
}
