/**
 * Confusion matrix: detections above a confidence are matched with labels of any class, in order of descending IoU. The
 * confidence is 0.25, the default of prediction; at that of validation, 0.001, the matrix would mostly contain noise.
 */
import { DETECTION, LABEL } from '../core/boxes.js';
import { iouMatrix } from './match.js';

/** Minimum IoU of a match (Ultralytics 8.4, ConfusionMatrix). */
export const CONFUSION_IOU = 0.45;
/** Minimum confidence of a detection. */
export const CONFUSION_CONFIDENCE = 0.25;

/** Counts of predicted and true classes. */
export interface ConfusionMatrix {
  /** K, the number of classes; row and column K are the background. */
  nc: number;
  /** [K + 1, K + 1] row = predicted class, column = true class. */
  counts: Float64Array;
}

/** @param nc number of classes @returns a matrix of zeros */
export function confusionMatrix(nc: number): ConfusionMatrix {
  return { nc, counts: new Float64Array((nc + 1) ** 2) };
}

/** Adds an image. @param detections [N, 6] @param labels [M, 5], in pixels of the same image */
export function addToConfusion(matrix: ConfusionMatrix, detections: Float32Array, labels: Float32Array): void {
  const { nc, counts } = matrix;
  for (const [predicted, actual] of confusedPairs(nc, detections, labels)) {
    if (predicted <= nc && actual <= nc) counts[predicted * (nc + 1) + actual]++;
  }
}

/**
 * @param nc number of classes
 * @param detections [N, 6] @param labels [M, 5], in pixels of the same image
 * @returns predicted and true class of each match, and of each unmatched detection or label with `nc` for the other class
 */
export function confusedPairs(
  nc: number,
  detections: Float32Array,
  labels: Float32Array,
): [predicted: number, actual: number][] {
  const out: [number, number][] = [];
  const confident = aboveConfidence(detections, CONFUSION_CONFIDENCE);
  const pairs = matchOneToOne(confident, labels, CONFUSION_IOU);
  for (let j = 0; j < labels.length / LABEL; j++) {
    const i = pairs.ofLabel[j];
    out.push([i < 0 ? nc : confident[DETECTION * i + 5], labels[LABEL * j]]);
  }
  for (let i = 0; i < confident.length / DETECTION; i++)
    if (pairs.ofDetection[i] < 0) out.push([confident[DETECTION * i + 5], nc]);
  return out;
}

/** @param detections [N, 6] @returns the rows with a confidence above `min`, in the same order */
export function aboveConfidence(detections: Float32Array, min: number): Float32Array {
  const rows: number[] = [];
  for (let i = 0; i < detections.length; i += DETECTION) {
    if (detections[i + 4] > min) rows.push(...detections.subarray(i, i + DETECTION));
  }
  return new Float32Array(rows);
}

/** Matching in order of descending IoU. @returns detection of each label and label of each detection, −1 for none */
function matchOneToOne(
  detections: Float32Array,
  labels: Float32Array,
  threshold: number,
): { ofLabel: Int32Array; ofDetection: Int32Array } {
  const n = detections.length / DETECTION;
  const ofLabel = new Int32Array(labels.length / LABEL).fill(-1);
  const ofDetection = new Int32Array(n).fill(-1);
  const iou = iouMatrix(detections, labels);
  const pairs = [...iou.keys()].filter((at) => iou[at] > threshold).sort((a, b) => iou[b] - iou[a] || a - b);
  for (const at of pairs) {
    const [j, i] = [Math.floor(at / n), at % n];
    if (ofLabel[j] >= 0 || ofDetection[i] >= 0) continue;
    ofLabel[j] = i;
    ofDetection[i] = j;
  }
  return { ofLabel, ofDetection };
}
