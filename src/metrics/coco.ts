/**
 * COCO's twelve metrics (cocodataset.org, "Detection evaluation"; Lin et al. 2014) by COCO's rules: at most 100 detections
 * per image and class, greedy matching by descending score, where labels outside the size range are ignored together with the
 * detections matched to them, 101 points of recall, mean over IoU 0.50:0.05:0.95. Areas are in pixels of the original image.
 */
import { boxArea, DETECTION, LABEL } from '../core/boxes.js';
import { descendingOrder, IOU_THRESHOLDS, iouMatrix, T } from './match.js';

/** Detections and labels of an image, pixels. */
export interface CocoImage {
  /** [N, 6] x1 y1 x2 y2 confidence class, by descending confidence. */
  detections: Float32Array;
  /** [M, 5] class x1 y1 x2 y2. */
  labels: Float32Array;
}

/** COCO's metrics, under COCO's names: AP at IoU thresholds and sizes, AR at 1, 10, 100 detections per image and sizes. */
export interface CocoFigures {
  AP: number;
  AP50: number;
  AP75: number;
  APs: number;
  APm: number;
  APl: number;
  AR1: number;
  AR10: number;
  AR100: number;
  ARs: number;
  ARm: number;
  ARl: number;
}

/** Minimum and maximum area of all, small, medium and large objects, both inclusive. */
const AREAS: readonly [number, number][] = [
  [0, 1e10],
  [0, 32 ** 2],
  [32 ** 2, 96 ** 2],
  [96 ** 2, 1e10],
];
/** maxDets: detections per image and class. */
const MAX_DETECTIONS = [1, 10, 100] as const;
const RECALL_POINTS = 101;

/** Matches of one class in one image, for one size range. */
interface Matched {
  scores: number[];
  /** [detections, T] 0 false positive, 1 true positive, 2 ignored. */
  verdict: Uint8Array;
  /** Number of labels in the size range. */
  labels: number;
}

/** @param nc number of classes @returns the metrics; −1 if there is no label to evaluate, as in COCO */
export function cocoFigures(images: CocoImage[], nc: number): CocoFigures {
  const perClass = splitByClass(images, nc);
  // precision[t] and recall[t] by size range and maxDets: a value per class with labels in the range
  const figures = AREAS.map(() => MAX_DETECTIONS.map(() => ({ precision: empty(), recall: empty() })));
  for (const parts of perClass) {
    if (!parts) continue;
    AREAS.forEach((range, a) => {
      const matched = parts.map((part) => matchImage(part, range));
      MAX_DETECTIONS.forEach((max, m) => {
        const summed = accumulate(matched, max);
        if (!summed) return;
        for (let t = 0; t < T; t++) {
          figures[a][m].precision[t].push(summed.precision[t]);
          figures[a][m].recall[t].push(summed.recall[t]);
        }
      });
    });
  }
  const ap = (a: number, t?: number): number => meanOf(figures[a][2].precision, t);
  const ar = (a: number, m: number): number => meanOf(figures[a][m].recall);
  return {
    AP: ap(0),
    AP50: ap(0, 0),
    AP75: ap(0, 5),
    APs: ap(1),
    APm: ap(2),
    APl: ap(3),
    AR1: ar(0, 0),
    AR10: ar(0, 1),
    AR100: ar(0, 2),
    ARs: ar(1, 2),
    ARm: ar(2, 2),
    ARl: ar(3, 2),
  };
}

function empty(): number[][] {
  return IOU_THRESHOLDS.map(() => []);
}

function meanOf(values: number[][], t?: number): number {
  const all = t === undefined ? values.flat() : values[t];
  return all.length ? all.reduce((sum, value) => sum + value, 0) / all.length : -1;
}

/** Detections and labels of one class in one image. */
interface Part {
  /** [N, 6], at most 100 rows, by descending confidence. */
  detections: Float32Array;
  /** [M, 5] */
  labels: Float32Array;
  /** [labels, detections] */
  iou: Float64Array;
}

/** @returns for each class the images with it; undefined for a class without labels, which COCO leaves out */
function splitByClass(images: CocoImage[], nc: number): (Part[] | undefined)[] {
  const classes: Part[][] = Array.from({ length: nc }, () => []);
  const labelled = new Uint8Array(nc);
  for (const { detections, labels } of images) {
    const rows = new Map<number, { detections: number[]; labels: number[] }>();
    const of = (id: number): { detections: number[]; labels: number[] } => {
      const found = rows.get(id) ?? { detections: [], labels: [] };
      rows.set(id, found);
      return found;
    };
    for (let i = 0; i < labels.length; i += LABEL) of(labels[i]).labels.push(...labels.subarray(i, i + LABEL));
    for (let i = 0; i < detections.length; i += DETECTION) {
      const list = of(detections[i + 5]).detections;
      if (list.length < MAX_DETECTIONS[2] * DETECTION) list.push(...detections.subarray(i, i + DETECTION));
    }
    for (const [id, row] of rows) {
      if (id >= nc) continue;
      const part = { detections: new Float32Array(row.detections), labels: new Float32Array(row.labels) };
      classes[id].push({ ...part, iou: iouMatrix(part.detections, part.labels) });
      if (part.labels.length) labelled[id] = 1;
    }
  }
  return classes.map((parts, id) => (labelled[id] ? parts : undefined));
}

function matchImage({ detections, labels, iou }: Part, [min, max]: readonly [number, number]): Matched {
  const n = detections.length / DETECTION;
  const m = labels.length / LABEL;
  const outside = (boxes: Float32Array, at: number): boolean => {
    const area = boxArea(boxes, at);
    return area < min || area > max;
  };
  const ignored = Array.from({ length: m }, (_, j) => outside(labels, LABEL * j + 1));
  // Ignored labels come last: a detection is matched to one only if it matches no other.
  const order = [...ignored.keys()].sort((a, b) => Number(ignored[a]) - Number(ignored[b]) || a - b);
  const verdict = new Uint8Array(n * T);
  IOU_THRESHOLDS.forEach((threshold, t) => {
    const taken = new Uint8Array(m);
    for (let i = 0; i < n; i++) {
      const best = bestLabel(threshold, i, n, order, ignored, taken, iou);
      if (best >= 0) {
        taken[best] = 1;
        verdict[i * T + t] = ignored[best] ? 2 : 1;
      } else if (outside(detections, DETECTION * i)) verdict[i * T + t] = 2;
    }
  });
  const scores = Array.from({ length: n }, (_, i) => detections[DETECTION * i + 4]);
  return { scores, verdict, labels: ignored.filter((value) => !value).length };
}

function bestLabel(
  threshold: number,
  i: number,
  n: number,
  order: number[],
  ignored: boolean[],
  taken: Uint8Array,
  iou: Float64Array,
): number {
  let best = -1;
  let min = Math.min(threshold, 1 - 1e-10);
  for (const j of order) {
    if (taken[j]) continue;
    if (best >= 0 && !ignored[best] && ignored[j]) break;
    if (iou[j * n + i] < min) continue;
    min = iou[j * n + i];
    best = j;
  }
  return best;
}

/** @returns for each threshold the mean precision over 101 recalls and the maximum recall; undefined without labels */
function accumulate(images: Matched[], maxDetections: number): { precision: number[]; recall: number[] } | undefined {
  const labels = images.reduce((sum, image) => sum + image.labels, 0);
  if (!labels) return undefined;
  const scores: number[] = [];
  const sources: [Matched, number][] = [];
  for (const image of images) {
    for (let i = 0; i < Math.min(maxDetections, image.scores.length); i++) {
      scores.push(image.scores[i]);
      sources.push([image, i]);
    }
  }
  const order = descendingOrder(scores);
  const precision: number[] = [];
  const recall: number[] = [];
  for (let t = 0; t < T; t++) {
    const verdicts = Uint8Array.from(order, (k) => sources[k][0].verdict[sources[k][1] * T + t]);
    const curve = precisionAtRecalls(verdicts, labels);
    precision.push(curve.precision);
    recall.push(curve.recall);
  }
  return { precision, recall };
}

function precisionAtRecalls(verdicts: Uint8Array, labels: number): { precision: number; recall: number } {
  const counted = verdicts.filter((verdict) => verdict !== 2);
  const precision = new Float64Array(counted.length);
  const recall = new Float64Array(counted.length);
  let hits = 0;
  counted.forEach((verdict, k) => {
    hits += verdict;
    precision[k] = hits / (k + 1 + Number.EPSILON);
    recall[k] = hits / labels;
  });
  for (let k = counted.length - 2; k >= 0; k--) precision[k] = Math.max(precision[k], precision[k + 1]);
  let sum = 0;
  for (let r = 0, k = 0; r < RECALL_POINTS; r++) {
    while (k < counted.length && recall[k] < r * 0.01) k++;
    if (k < counted.length) sum += precision[k];
  }
  return { precision: sum / RECALL_POINTS, recall: counted.length ? recall[counted.length - 1] : 0 };
}
