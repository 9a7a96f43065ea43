/**
 * Adds up a validation image by image and gives every figure at the end: the table, COCO's figures, the confusion
 * matrix, the curves, and what went wrong where.
 */
import { DETECTION, LABEL, labelsToPx, type PixelTransform, unletterbox } from '../core/boxes.js';
import type { Box } from '../core/types.js';
import { type ApResult, averagePrecision, mean } from './ap.js';
import { type CocoFigures, type CocoImage, cocoFigures } from './coco.js';
import {
  addToConfusion,
  CONFUSION_CONFIDENCE,
  type ConfusionMatrix,
  confusionMatrix,
  overConfidence,
} from './confusion.js';
import { ERROR_KINDS, type ErrorKind, errorCosts, typeErrors } from './errors.js';
import { iouMatrix, T, truePositives } from './match.js';

export interface JudgedImage {
  path: string;
  /** Pixels of the original image. */
  width: number;
  height: number;
  transform: PixelTransform;
  /** Rows of 6 by falling confidence, pixels of the network's input. */
  detections: Float32Array;
  /** Rows of 5: class, cx, cy, w, h in 0..1 of the original image. */
  labels: Float32Array;
}

export interface ImageError {
  kind: ErrorKind;
  /** Class that was predicted; of a miss the class of the object. */
  class: number;
  name: string;
  /** Absent for a miss. */
  confidence?: number;
  /** Pixels of the original image: what was predicted, or the object that was missed. */
  box: Box;
  /** The object that the mistake is about. */
  label?: { class: number; name: string; box: Box; iou: number };
}

export interface ImageFigures {
  path: string;
  labels: number;
  /** Detections over the confidence of 0.25. */
  detections: number;
  hits: number;
  precision: number;
  recall: number;
  f1: number;
  errors: ImageError[];
}

export interface ClassFigures {
  class: number;
  name: string;
  images: number;
  instances: number;
  precision: number;
  recall: number;
  mAP50: number;
  'mAP50-95': number;
}

export interface Metrics {
  images: number;
  instances: number;
  precision: number;
  recall: number;
  mAP50: number;
  'mAP50-95': number;
  /** Classes that have labels. */
  classes: ClassFigures[];
  coco?: CocoFigures;
  /** What each kind of mistake costs in mAP50, 0..1. */
  costs?: Record<ErrorKind, number>;
  confusion: ConfusionMatrix;
  curves: ApResult;
  /** Worst first; filled when errors are asked for. */
  perImage: ImageFigures[];
}

export interface TallyOptions {
  /** Also COCO's twelve figures. Default: true. */
  coco?: boolean;
  /** Also typed mistakes per image and their cost. Default: true. */
  errors?: boolean;
}

export interface Tally {
  /** @returns the detections in pixels of the original image, clipped to it: rows of 6 */
  add(judged: JudgedImage): Float32Array;
  finish(): Metrics;
}

export function createTally(names: readonly string[], { coco = true, errors = true }: TallyOptions = {}): Tally {
  const nc = names.length;
  const confusion = confusionMatrix(nc);
  const costs = errorCosts(nc);
  const labelCounts = new Float64Array(nc);
  const imageCounts = new Float64Array(nc);
  const parts: { tp: Uint8Array; detections: Float32Array }[] = [];
  const cocoImages: CocoImage[] = [];
  const perImage: ImageFigures[] = [];
  let images = 0;
  return {
    add(image) {
      const { detections } = image;
      const labels = labelsToPx(image.labels, image, image.transform);
      images++;
      for (const id of classesOf(labels)) imageCounts[id]++;
      for (let j = 0; j < labels.length; j += LABEL) labelCounts[labels[j]]++;
      parts.push({ tp: truePositives(detections, labels), detections });
      addToConfusion(confusion, detections, labels);
      const original = unletterbox(Float32Array.from(detections), DETECTION, image.transform, image);
      if (coco) cocoImages.push({ detections: rounded(original), labels: labelsToPx(image.labels, image) });
      if (errors) {
        costs.add(detections, labels);
        perImage.push(judge(image, labels, names));
      }
      return original;
    },
    finish() {
      const curves = averagePrecision({ ...join(parts), labelCounts });
      const at = (c: number): ClassFigures => {
        const id = curves.classes[c];
        return {
          class: id,
          name: names[id],
          images: imageCounts[id],
          instances: labelCounts[id],
          precision: curves.precision[c],
          recall: curves.recall[c],
          mAP50: curves.ap[c * T],
          'mAP50-95': mean(curves.ap.subarray(c * T, (c + 1) * T)),
        };
      };
      const classes = curves.classes.map((_, c) => at(c));
      perImage.sort((a, b) => b.errors.length - a.errors.length || a.f1 - b.f1 || (a.path < b.path ? -1 : 1));
      return {
        images,
        instances: labelCounts.reduce((sum, value) => sum + value, 0),
        precision: mean(curves.precision),
        recall: mean(curves.recall),
        mAP50: mean(classes.map((row) => row.mAP50)),
        'mAP50-95': mean(curves.ap),
        classes,
        coco: coco ? cocoFigures(cocoImages, nc) : undefined,
        costs: errors ? costs.finish() : undefined,
        confusion,
        curves,
        perImage,
      };
    },
  };
}

/** As predictions.json has them, so that another evaluator of that file finds the same figures. */
function rounded(rows: Float32Array): Float32Array {
  return rows.map((value, i) => (i % DETECTION < 4 ? Math.round(value * 1e3) / 1e3 : Math.round(value * 1e6) / 1e6));
}

function classesOf(labels: Float32Array): Set<number> {
  const ids = new Set<number>();
  for (let j = 0; j < labels.length; j += LABEL) ids.add(labels[j]);
  return ids;
}

function join(parts: { tp: Uint8Array; detections: Float32Array }[]): {
  tp: Uint8Array;
  confidence: Float32Array;
  classes: Float32Array;
} {
  const n = parts.reduce((sum, part) => sum + part.detections.length / DETECTION, 0);
  const tp = new Uint8Array(n * T);
  const confidence = new Float32Array(n);
  const classes = new Float32Array(n);
  let at = 0;
  for (const part of parts) {
    tp.set(part.tp, at * T);
    for (let i = 0; i < part.detections.length; i += DETECTION, at++) {
      confidence[at] = part.detections[i + 4];
      classes[at] = part.detections[i + 5];
    }
  }
  return { tp, confidence, classes };
}

/** Figures and typed mistakes of one image, at the confidence of the confusion matrix. */
function judge(image: JudgedImage, labels: Float32Array, names: readonly string[]): ImageFigures {
  const sure = overConfidence(image.detections, CONFUSION_CONFIDENCE);
  const n = sure.length / DETECTION;
  const m = labels.length / LABEL;
  const typed = typeErrors(sure, labels);
  const boxes = unletterbox(Float32Array.from(sure), DETECTION, image.transform, image);
  const truth = labelsToPx(image.labels, image);
  const iou = iouMatrix(sure, labels);
  const boxAt = (rows: Float32Array, from: number): Box =>
    Array.from(rows.subarray(from, from + 4), (value) => Math.round(value * 10) / 10) as Box;
  const labelOf = (j: number): { class: number; name: string; box: Box } => {
    const id = labels[LABEL * j];
    return { class: id, name: names[id], box: boxAt(truth, LABEL * j + 1) };
  };
  const errors: ImageError[] = [];
  for (let i = 0; i < n; i++) {
    if (typed.kind[i] < 0) continue;
    const [confidence, id] = [sure[DETECTION * i + 4], sure[DETECTION * i + 5]];
    const j = typed.about[i];
    errors.push({
      kind: ERROR_KINDS[typed.kind[i]],
      class: id,
      name: names[id] ?? `class${id}`,
      confidence: Math.round(confidence * 1e4) / 1e4,
      box: boxAt(boxes, DETECTION * i),
      ...(j >= 0 && { label: { ...labelOf(j), iou: Math.round(iou[j * n + i] * 1e3) / 1e3 } }),
    });
  }
  for (const j of typed.missed) errors.push({ kind: 'missed', ...labelOf(j) });
  const hits = typed.hit.reduce((sum, j) => sum + (j >= 0 ? 1 : 0), 0);
  const f1 = n + m ? (2 * hits) / (n + m) : 1;
  return {
    path: image.path,
    labels: m,
    detections: n,
    hits,
    precision: n ? hits / n : 1,
    recall: m ? hits / m : 1,
    f1,
    errors,
  };
}
