/**
 * Which class is taken for which: detections over a confidence are paired with labels of any class, best overlap first.
 * The reference fills its matrix at the confidence of validation, 0.001, with noise; 0.25 is what a user of the model sees.
 */
import { DETECTION, LABEL } from '../core/boxes.js';
import { iouMatrix } from './match.js';

export const CONFUSION_IOU = 0.45;
export const CONFUSION_CONFIDENCE = 0.25;

export interface ConfusionMatrix {
  /** K; row and column K are the background. */
  nc: number;
  /** [K + 1, K + 1] counts: row = predicted, column = true. */
  counts: Float64Array;
}

export function confusionMatrix(nc: number): ConfusionMatrix {
  return { nc, counts: new Float64Array((nc + 1) ** 2) };
}

/** Adds one image: detections rows of 6, labels rows of 5, same pixels. */
export function addToConfusion(matrix: ConfusionMatrix, detections: Float32Array, labels: Float32Array): void {
  const { nc, counts } = matrix;
  for (const [predicted, actual] of confusedPairs(nc, detections, labels)) {
    if (predicted <= nc && actual <= nc) counts[predicted * (nc + 1) + actual]++;
  }
}

/** What one image counts as: predicted and true class of every pair, `nc` where one of them has no partner. */
export function confusedPairs(
  nc: number,
  detections: Float32Array,
  labels: Float32Array,
): [predicted: number, actual: number][] {
  const out: [number, number][] = [];
  const sure = overConfidence(detections, CONFUSION_CONFIDENCE);
  const pairs = pairUp(sure, labels, CONFUSION_IOU);
  for (let j = 0; j < labels.length / LABEL; j++) {
    const i = pairs.ofLabel[j];
    out.push([i < 0 ? nc : sure[DETECTION * i + 5], labels[LABEL * j]]);
  }
  for (let i = 0; i < sure.length / DETECTION; i++)
    if (pairs.ofDetection[i] < 0) out.push([sure[DETECTION * i + 5], nc]);
  return out;
}

/** The rows over a confidence, in their order. */
export function overConfidence(detections: Float32Array, least: number): Float32Array {
  const rows: number[] = [];
  for (let i = 0; i < detections.length; i += DETECTION) {
    if (detections[i + 4] > least) rows.push(...detections.subarray(i, i + DETECTION));
  }
  return new Float32Array(rows);
}

/** One to one, greatest IoU first. @returns per label its detection and per detection its label, −1 for none */
function pairUp(
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
