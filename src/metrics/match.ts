/**
 * Matching of detections and labels: in order of descending confidence, each detection is matched with the unmatched label of
 * its class that has the highest IoU, separately for each IoU threshold (Everingham et al., "The PASCAL VOC Challenge", 2010,
 * section 4.2, with the ten thresholds of COCO). Detections are [N, 6] (x1 y1 x2 y2 confidence class) by descending
 * confidence, labels [M, 5] (class x1 y1 x2 y2), in pixels of the same image.
 */
import { DETECTION, iouWith, LABEL } from '../core/boxes.js';

/** 0.50, 0.55 … 0.95, with the rounding of numpy.linspace. */
export const IOU_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) =>
  i === 9 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9),
);
/** Number of IoU thresholds. */
export const T = IOU_THRESHOLDS.length;

/** @returns [M, N] IoU of every label and detection, regardless of class */
export function iouMatrix(detections: Float32Array, labels: Float32Array): Float64Array {
  const n = detections.length / DETECTION;
  const m = labels.length / LABEL;
  const out = new Float64Array(m * n);
  for (let j = 0; j < m; j++) {
    const [x1, y1, x2, y2] = labels.subarray(LABEL * j + 1, LABEL * (j + 1));
    for (let i = 0; i < n; i++) out[j * n + i] = iouWith(x1, y1, x2, y2, detections, DETECTION * i);
  }
  return out;
}

/**
 * Matching at one IoU threshold.
 * @param iou [M, N]
 * @returns [N] index of the label that each detection is matched with, −1 for none
 */
export function matchAt(
  threshold: number,
  detections: Float32Array,
  labels: Float32Array,
  iou: Float64Array = iouMatrix(detections, labels),
): Int32Array {
  const n = detections.length / DETECTION;
  const m = labels.length / LABEL;
  const hit = new Int32Array(n).fill(-1);
  const taken = new Uint8Array(m);
  for (let i = 0; i < n; i++) {
    let best = -1;
    for (let j = 0; j < m; j++) {
      if (taken[j] || labels[LABEL * j] !== detections[DETECTION * i + 5]) continue;
      const value = iou[j * n + i];
      if (value >= threshold && (best < 0 || value > iou[best * n + i])) best = j;
    }
    if (best < 0) continue;
    hit[i] = best;
    taken[best] = 1;
  }
  return hit;
}

/** @returns [N, 10] 1 if a detection is a true positive at the threshold, else 0 */
export function truePositives(detections: Float32Array, labels: Float32Array): Uint8Array {
  const n = detections.length / DETECTION;
  const out = new Uint8Array(n * T);
  if (!n || !labels.length) return out;
  const iou = iouMatrix(detections, labels);
  IOU_THRESHOLDS.forEach((threshold, t) => {
    const hit = matchAt(threshold, detections, labels, iou);
    for (let i = 0; i < n; i++) if (hit[i] >= 0) out[i * T + t] = 1;
  });
  return out;
}

/** @returns indices that sort the values in descending order; the sort is stable */
export function descendingOrder(values: ArrayLike<number>): Uint32Array {
  const order = new Uint32Array(values.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  return order.sort((a, b) => values[b] - values[a] || a - b);
}
