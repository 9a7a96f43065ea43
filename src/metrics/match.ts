/**
 * Which detections hit which label: by falling confidence each detection takes its best label of its own class that no
 * other has taken, for every IoU threshold on its own (Everingham et al., "The PASCAL VOC Challenge", 2010, section 4.2,
 * at the ten thresholds of COCO). Detections are rows of 6 (x1 y1 x2 y2 confidence class) by falling confidence, labels
 * rows of 5 (class x1 y1 x2 y2), both in pixels of the same image.
 */
import { DETECTION, iouWith, LABEL } from '../core/boxes.js';

/** 0.50, 0.55 … 0.95, as numpy's linspace gives them. */
export const IOU_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) =>
  i === 9 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9),
);
export const T = IOU_THRESHOLDS.length;

/** @returns [labels, detections] IoU of every pair, classes aside */
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
 * @param iou [labels, detections]
 * @returns per detection the index of the label that it hits at this threshold, −1 for none
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

/** @returns [detections, 10] 1 where a detection is a hit at that threshold */
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

/** Order of falling values; equal ones keep their order. */
export function byFalling(values: ArrayLike<number>): Uint32Array {
  const order = new Uint32Array(values.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  return order.sort((a, b) => values[b] - values[a] || a - b);
}
