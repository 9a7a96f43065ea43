/**
 * Accumulates the images of a validation and computes all metrics: per class, COCO's, the confusion matrix, curves, and error
 * types per image.
 */
import { DETECTION, LABEL, labelsToPx, type PixelTransform, unletterbox } from '../core/boxes.js';
import type { Box } from '../core/types.js';
import { type ApResult, averagePrecision, mean } from './ap.js';
import { type CocoFigures, type CocoImage, cocoFigures } from './coco.js';
import {
  aboveConfidence,
  addToConfusion,
  CONFUSION_CONFIDENCE,
  type ConfusionMatrix,
  confusionMatrix,
} from './confusion.js';
import { ERROR_KINDS, type ErrorKind, errorCosts, typeErrors } from './errors.js';
import { iouMatrix, T, truePositives } from './match.js';

/** An image with its predictions and labels. */
export interface ImagePredictions {
  path: string;
  /** Pixels of the original image. */
  width: number;
  height: number;
  /** From the original image to the network's input. */
  transform: PixelTransform;
  /** [N, 6] by descending confidence, pixels of the network's input. */
  detections: Float32Array;
  /** [M, 5] class cx cy w h, fractions of the original image. */
  labels: Float32Array;
}

/** An error in an image. */
export interface ImageError {
  kind: ErrorKind;
  /** Predicted class; for 'missed' the class of the label. */
  class: number;
  name: string;
  /** Undefined for 'missed'. */
  confidence?: number;
  /** Predicted box, for 'missed' that of the label; pixels of the original image. */
  box: Box;
  /** Label that the error refers to. */
  label?: { class: number; name: string; box: Box; iou: number };
}

/** Metrics of an image, at a confidence of 0.25 and an IoU of 0.5. */
export interface ImageFigures {
  path: string;
  labels: number;
  detections: number;
  /** True positives. */
  hits: number;
  precision: number;
  recall: number;
  f1: number;
  errors: ImageError[];
}

/** Metrics of a class; precision and recall at the confidence with the maximum mean F1. */
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

/** Metrics of a validation. */
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
  /** Cost of each error type in mAP50, 0..1. */
  costs?: Record<ErrorKind, number>;
  confusion: ConfusionMatrix;
  curves: ApResult;
  /** Images by descending number of errors; empty if errors were not requested. */
  perImage: ImageFigures[];
}

/** Which metrics are computed. */
export interface TallyOptions {
  /** COCO's twelve metrics. Default: true. */
  coco?: boolean;
  /** Error types per image and their costs. Default: true. */
  errors?: boolean;
}

/** Accumulator of a validation. */
export interface Tally {
  /** @returns [N, 6] the detections in pixels of the original image, clipped to it */
  add(image: ImagePredictions): Float32Array;
  finish(): Metrics;
}

/** @param names of the classes */
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
        perImage.push(imageFigures(image, labels, names));
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

/** Rounds as in predictions.json, so that other evaluators of that file compute the same metrics. */
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

/** Metrics and error types of an image, at the confidence of the confusion matrix. */
function imageFigures(image: ImagePredictions, labels: Float32Array, names: readonly string[]): ImageFigures {
  const confident = aboveConfidence(image.detections, CONFUSION_CONFIDENCE);
  const n = confident.length / DETECTION;
  const m = labels.length / LABEL;
  const typed = typeErrors(confident, labels);
  const boxes = unletterbox(Float32Array.from(confident), DETECTION, image.transform, image);
  const truth = labelsToPx(image.labels, image);
  const iou = iouMatrix(confident, labels);
  const boxAt = (rows: Float32Array, from: number): Box =>
    Array.from(rows.subarray(from, from + 4), (value) => Math.round(value * 10) / 10) as Box;
  const labelOf = (j: number): { class: number; name: string; box: Box } => {
    const id = labels[LABEL * j];
    return { class: id, name: names[id], box: boxAt(truth, LABEL * j + 1) };
  };
  const errors: ImageError[] = [];
  for (let i = 0; i < n; i++) {
    if (typed.kind[i] < 0) continue;
    const [confidence, id] = [confident[DETECTION * i + 4], confident[DETECTION * i + 5]];
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
