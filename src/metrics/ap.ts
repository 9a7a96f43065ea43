/**
 * Precision, recall, F1 and average precision (AP) per class, as in Ultralytics 8.4 (ap_per_class). Classes without labels
 * are left out.
 */
import { descendingOrder, T } from './match.js';

/** Points of the curves over confidence or recall, evenly spaced from 0 to 1. */
export const CURVE_POINTS = 1000;
/** Points of the precision-recall curve over which AP is integrated, as in COCO. */
const RECALL_POINTS = 101;
/** Width of the box filter of the mean F1 curve, as a fraction of its length, before its maximum is determined. */
const SMOOTHING = 0.1;
const EPS = 1e-16;

/** Detections of all images. */
export interface ApInput {
  /** [N, 10] 1 for a true positive at an IoU threshold, else 0. */
  tp: Uint8Array;
  /** [N] */
  confidence: Float32Array;
  /** [N] class ids. */
  classes: ArrayLike<number>;
  /** [K] number of labels of each class. */
  labelCounts: ArrayLike<number>;
}

/** Metrics of the C classes with labels. */
export interface ApResult {
  /** [C] class ids, ascending. */
  classes: number[];
  /** [C] at `bestConfidence`. */
  precision: Float64Array;
  /** [C] at `bestConfidence`. */
  recall: Float64Array;
  /** [C] at `bestConfidence`. */
  f1: Float64Array;
  /** [C, 10] at the IoU thresholds 0.50:0.05:0.95. */
  ap: Float64Array;
  /** Confidence with the maximum of the smoothed mean F1 curve. */
  bestConfidence: number;
  /** [C, 1000] over confidence i / 999. */
  curves: { precision: Float64Array; recall: Float64Array; f1: Float64Array };
  /** [C, 1000] precision at IoU 0.5 over recall i / 999. */
  precisionOverRecall: Float64Array;
}

/** Computes the metrics of all classes. */
export function averagePrecision({ tp, confidence, classes, labelCounts }: ApInput): ApResult {
  const ids = Array.from(labelCounts, (_, id) => id).filter((id) => labelCounts[id] > 0);
  const count = ids.length;
  const curves = {
    precision: new Float64Array(count * CURVE_POINTS),
    recall: new Float64Array(count * CURVE_POINTS),
    f1: new Float64Array(count * CURVE_POINTS),
  };
  const ap = new Float64Array(count * T);
  const precisionOverRecall = new Float64Array(count * CURVE_POINTS);
  const grid = linspace(CURVE_POINTS);
  const ofClass = groupByClass(descendingOrder(confidence), classes);
  ids.forEach((id, c) => {
    const order = ofClass.get(id) ?? [];
    if (!order.length) return;
    const negated = order.map((i) => -confidence[i]); // ascending, as interpolation needs it
    for (let t = 0; t < T; t++) {
      const { precision, recall } = cumulate(order, (i) => tp[i * T + t], labelCounts[id]);
      const envelope = envelopeOf(precision, recall);
      ap[c * T + t] = areaUnder(envelope);
      if (t > 0) continue;
      for (let k = 0; k < CURVE_POINTS; k++) {
        const at = c * CURVE_POINTS + k;
        curves.precision[at] = interpolate(-grid[k], negated, precision, 1);
        curves.recall[at] = interpolate(-grid[k], negated, recall, 0);
        precisionOverRecall[at] = interpolate(grid[k], envelope.recall, envelope.precision);
      }
    }
    for (let at = c * CURVE_POINTS; at < (c + 1) * CURVE_POINTS; at++) {
      const [p, r] = [curves.precision[at], curves.recall[at]];
      curves.f1[at] = (2 * p * r) / (p + r + EPS);
    }
  });
  const best = argMax(smooth(meanOverRows(curves.f1, count, CURVE_POINTS), SMOOTHING));
  const column = (curve: Float64Array): Float64Array =>
    Float64Array.from(ids, (_, c) => curve[c * CURVE_POINTS + best]);
  return {
    classes: ids,
    precision: column(curves.precision),
    recall: column(curves.recall),
    f1: column(curves.f1),
    ap,
    bestConfidence: grid[best],
    curves,
    precisionOverRecall,
  };
}

/**
 * Mean AP over the classes with labels, at one IoU threshold.
 * @param hits [N] 1 for a true positive, else 0
 * @param confidence [N]
 * @param classes [N] class ids
 * @param labelCounts [K] number of labels of each class
 */
export function meanPrecisionAt(
  hits: ArrayLike<number>,
  confidence: ArrayLike<number>,
  classes: ArrayLike<number>,
  labelCounts: ArrayLike<number>,
): number {
  const ofClass = groupByClass(descendingOrder(confidence), classes);
  const values: number[] = [];
  for (let id = 0; id < labelCounts.length; id++) {
    if (labelCounts[id] <= 0) continue;
    const order = ofClass.get(id);
    if (!order) values.push(0);
    else {
      const { precision, recall } = cumulate(order, (i) => hits[i], labelCounts[id]);
      values.push(areaUnder(envelopeOf(precision, recall)));
    }
  }
  return mean(values);
}

/** Mean; 0 if there are no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return values.length ? sum / values.length : 0;
}

/** @param values [rows, columns] @returns [columns] mean over the rows */
export function meanOverRows(values: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c] += values[r * columns + c] / rows;
  return out;
}

function groupByClass(order: Uint32Array, classes: ArrayLike<number>): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const i of order) {
    const group = groups.get(classes[i]);
    if (group) group.push(i);
    else groups.set(classes[i], [i]);
  }
  return groups;
}

/** @param order detections by descending confidence @returns precision and recall up to each of them */
function cumulate(
  order: number[],
  isHit: (detection: number) => number,
  labels: number,
): { precision: number[]; recall: number[] } {
  let hits = 0;
  const precision: number[] = [];
  const recall: number[] = [];
  order.forEach((i, k) => {
    hits += isHit(i);
    precision.push(hits / (k + 1));
    recall.push(hits / (labels + EPS));
  });
  return { precision, recall };
}

/** Precision envelope: end points added, and each precision replaced by the maximum at any higher recall. */
function envelopeOf(precision: number[], recall: number[]): { precision: number[]; recall: number[] } {
  const r = [0, ...recall, recall[recall.length - 1], 1];
  const p = [1, ...precision, 0, 0];
  for (let i = p.length - 2; i >= 0; i--) p[i] = Math.max(p[i], p[i + 1]);
  return { precision: p, recall: r };
}

/** Integral by the trapezoidal rule over 101 points of recall. */
function areaUnder(curve: { precision: number[]; recall: number[] }): number {
  const x = linspace(RECALL_POINTS);
  const y = Array.from(x, (value) => interpolate(value, curve.recall, curve.precision));
  let area = 0;
  for (let i = 1; i < RECALL_POINTS; i++) area += ((x[i] - x[i - 1]) * (y[i] + y[i - 1])) / 2;
  return area;
}

function linspace(points: number): Float64Array {
  return Float64Array.from({ length: points }, (_, i) => i / (points - 1));
}

/** Linear interpolation as numpy.interp: the last of equal points is used; below the first point the result is `left`. */
function interpolate(x: number, points: ArrayLike<number>, values: ArrayLike<number>, left = values[0]): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle] <= x) low = middle + 1;
    else high = middle;
  }
  const j = low - 1;
  if (j < 0) return left;
  if (j === points.length - 1) return values[j];
  return values[j] + ((values[j + 1] - values[j]) / (points[j + 1] - points[j])) * (x - points[j]);
}

/** Box filter over an odd number of points; the first and last values are repeated at the ends. */
function smooth(values: Float64Array, part: number): Float64Array {
  const window = Math.floor(Math.round(values.length * part * 2) / 2) + 1;
  const half = window >> 1;
  const last = values.length - 1;
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let sum = 0;
    for (let k = i - half; k < i - half + window; k++) sum += values[Math.min(Math.max(k, 0), last)];
    out[i] = sum / window;
  }
  return out;
}

function argMax(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
