/** Post-processing: from the output of a model for a batch to the detections of one image. */
import { DETECTION } from '../core/boxes.js';
import type { Detection } from '../core/types.js';
import { type NmsOptions, nonMaxSuppression } from './nms.js';

/** Output of a detector: predictions [B, 4 + K, A], or final detections [B, N, 6] (`endToEnd`). */
export interface BatchOutput {
  data: Float32Array;
  shape: readonly [batch: number, rows: number, columns: number];
}

/**
 * Detections of image `index` of a batch.
 * @param endToEnd the rows are final detections (x1 y1 x2 y2 confidence class), which are only filtered
 * @returns [N, 6] x1 y1 x2 y2 (pixels of the network's input) confidence class, by descending confidence
 */
export function detectionsOf(output: BatchOutput, index: number, options: NmsOptions, endToEnd = false): Float32Array {
  const [, rows, columns] = output.shape;
  const one = output.data.subarray(index * rows * columns, (index + 1) * rows * columns);
  return endToEnd ? filterRows(one, options) : nonMaxSuppression(one, columns, options);
}

/** Final detections above `conf` and of the selected classes; rows of confidence 0 are padding. */
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

/** Converts rows to objects with class names. @param rows [N, 6] x1 y1 x2 y2 (pixels of the image) confidence class */
export function toDetections(rows: Float32Array, names: readonly string[]): Detection[] {
  const out: Detection[] = [];
  for (let i = 0; i < rows.length; i += DETECTION) {
    const cls = rows[i + 5];
    const box: Detection['box'] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
    out.push({ class: cls, name: names[cls] ?? `class${cls}`, confidence: rows[i + 4], box });
  }
  return out;
}
