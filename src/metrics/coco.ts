/**
 * COCO's own twelve figures (cocodataset.org, "Detection evaluation"; Lin et al. 2014), by COCO's own rules: at most 100
 * detections an image and class, greedy matching by falling score where labels outside the size range may absorb a
 * detection without counting, 101 points of recall, mean over IoU 0.50:0.05:0.95. Areas are in pixels of the original image.
 */
import { boxArea, DETECTION, LABEL } from '../core/boxes.js';
import { byFalling, IOU_THRESHOLDS, iouMatrix, T } from './match.js';

export interface CocoImage {
  /** Rows of 6: x1 y1 x2 y2 confidence class, by falling confidence. */
  detections: Float32Array;
  /** Rows of 5: class x1 y1 x2 y2. */
  labels: Float32Array;
}

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

/** all, small, medium, large: least and greatest area, both inclusive. */
const AREAS: readonly [number, number][] = [
  [0, 1e10],
  [0, 32 ** 2],
  [32 ** 2, 96 ** 2],
  [96 ** 2, 1e10],
];
const MOST = [1, 10, 100] as const;
const RECALLS = 101;

/** What one class in one image comes to, for one size range. */
interface Matched {
  scores: number[];
  /** [detections, T] 0 miss, 1 hit, 2 does not count. */
  verdict: Uint8Array;
  /** Labels that count. */
  labels: number;
}

/** @returns the figures; −1 where there is no label to measure by, as COCO has it */
export function cocoFigures(images: CocoImage[], nc: number): CocoFigures {
  const perClass = splitByClass(images, nc);
  // precision[area][most][t] and recall likewise: one value a class that has labels there
  const figures = AREAS.map(() => MOST.map(() => ({ precision: zeros(), recall: zeros() })));
  for (const parts of perClass) {
    if (!parts) continue;
    AREAS.forEach((range, a) => {
      const matched = parts.map((part) => matchImage(part, range));
      MOST.forEach((most, m) => {
        const summed = accumulate(matched, most);
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

function zeros(): number[][] {
  return IOU_THRESHOLDS.map(() => []);
}

function meanOf(values: number[][], t?: number): number {
  const all = t === undefined ? values.flat() : values[t];
  return all.length ? all.reduce((sum, value) => sum + value, 0) / all.length : -1;
}

interface Part {
  /** Rows of 6, at most 100, by falling confidence. */
  detections: Float32Array;
  /** Rows of 5. */
  labels: Float32Array;
  /** [labels, detections] */
  iou: Float64Array;
}

/** Per class the images where it occurs; undefined for a class without labels, which COCO leaves out. */
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
      if (list.length < MOST[2] * DETECTION) list.push(...detections.subarray(i, i + DETECTION));
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

function matchImage({ detections, labels, iou }: Part, [least, greatest]: readonly [number, number]): Matched {
  const n = detections.length / DETECTION;
  const m = labels.length / LABEL;
  const outside = (boxes: Float32Array, at: number): boolean => {
    const area = boxArea(boxes, at);
    return area < least || area > greatest;
  };
  const ignored = Array.from({ length: m }, (_, j) => outside(labels, LABEL * j + 1));
  // Labels that count come first: a detection turns to an ignored one only when none of them fits.
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
  let least = Math.min(threshold, 1 - 1e-10);
  for (const j of order) {
    if (taken[j]) continue;
    if (best >= 0 && !ignored[best] && ignored[j]) break;
    if (iou[j * n + i] < least) continue;
    least = iou[j * n + i];
    best = j;
  }
  return best;
}

/** @returns per threshold the mean precision over 101 recalls and the recall reached; undefined without labels */
function accumulate(images: Matched[], most: number): { precision: number[]; recall: number[] } | undefined {
  const labels = images.reduce((sum, image) => sum + image.labels, 0);
  if (!labels) return undefined;
  const scores: number[] = [];
  const places: [Matched, number][] = [];
  for (const image of images) {
    for (let i = 0; i < Math.min(most, image.scores.length); i++) {
      scores.push(image.scores[i]);
      places.push([image, i]);
    }
  }
  const order = byFalling(scores);
  const precision: number[] = [];
  const recall: number[] = [];
  for (let t = 0; t < T; t++) {
    const verdicts = Uint8Array.from(order, (k) => places[k][0].verdict[places[k][1] * T + t]);
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
  for (let r = 0, k = 0; r < RECALLS; r++) {
    while (k < counted.length && recall[k] < r * 0.01) k++;
    if (k < counted.length) sum += precision[k];
  }
  return { precision: sum / RECALLS, recall: counted.length ? recall[counted.length - 1] : 0 };
}
