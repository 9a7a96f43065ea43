/**
 * Error types of false positives and false negatives, and their cost in mAP, after TIDE (Bolya et al. 2020, arXiv
 * 2008.08115, section 2): foreground from IoU 0.5, background below 0.1. TIDE's sixth type ("both" classification and
 * localization errors) is counted as background, since both are fixed by removing the detection.
 */
import { DETECTION, LABEL } from '../core/boxes.js';
import { meanPrecisionAt } from './ap.js';
import { iouMatrix, matchAt } from './match.js';

/** Names of the error types. */
export const ERROR_KINDS = ['localisation', 'wrong class', 'duplicate', 'background', 'missed'] as const;
/** One of ERROR_KINDS. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** Description of each error type for users. */
export const ERROR_MEANING: Record<ErrorKind, string> = {
  localisation: 'correct class, but an inaccurate box (IoU 0.1 to 0.5)',
  'wrong class': 'the object is of another class',
  duplicate: 'the object was detected with a higher confidence as well',
  background: 'no label there, or only of another class at a low IoU',
  missed: 'an object without a detection near it',
};

const FOREGROUND = 0.5;
const BACKGROUND = 0.1;
const NONE = -1;

/** Error types of an image. */
export interface TypedImage {
  /** [N] label that a detection is matched with at IoU 0.5, −1 for none. */
  hit: Int32Array;
  /** [N] index in ERROR_KINDS of each detection, −1 for a true positive. */
  kind: Int8Array;
  /** [N] label that a detection is matched with, or that its error refers to; −1 for background. */
  about: Int32Array;
  /** Labels without a match to which no localization or classification error refers. */
  missed: number[];
}

/**
 * Determines the error types of an image.
 * @param detections [N, 6] by descending confidence @param labels [M, 5], in pixels of the same image
 */
export function typeErrors(detections: Float32Array, labels: Float32Array): TypedImage {
  const n = detections.length / DETECTION;
  const m = labels.length / LABEL;
  const iou = iouMatrix(detections, labels);
  const hit = matchAt(FOREGROUND, detections, labels, iou);
  const kind = new Int8Array(n).fill(NONE);
  const about = Int32Array.from(hit);
  const used = new Uint8Array(m);
  for (const j of hit) if (j >= 0) used[j] = 1;
  const explained = Uint8Array.from(used);
  /** The label with the highest IoU among those for which `condition` is true. */
  const nearest = (i: number, condition: (j: number) => boolean): [label: number, iou: number] => {
    let [best, value] = [NONE, 0];
    for (let j = 0; j < m; j++) if (condition(j) && iou[j * n + i] > value) [best, value] = [j, iou[j * n + i]];
    return [best, value];
  };
  for (let i = 0; i < n; i++) {
    if (hit[i] >= 0) continue;
    const own = (j: number): boolean => labels[LABEL * j] === detections[DETECTION * i + 5];
    const [same, sameIou] = nearest(i, own);
    const [other, otherIou] = nearest(i, (j) => !own(j));
    const [taken, takenIou] = nearest(i, (j) => own(j) && used[j] === 1);
    let name: ErrorKind = 'background';
    if (sameIou >= BACKGROUND && sameIou < FOREGROUND) [name, about[i]] = ['localisation', same];
    else if (otherIou >= FOREGROUND) [name, about[i]] = ['wrong class', other];
    else if (takenIou >= FOREGROUND) [name, about[i]] = ['duplicate', taken];
    kind[i] = ERROR_KINDS.indexOf(name);
    if ((name === 'localisation' || name === 'wrong class') && about[i] >= 0) explained[about[i]] = 1;
  }
  const missed = [...explained.keys()].filter((j) => !explained[j]);
  return { hit, kind, about, missed };
}

/** Accumulates images and computes the cost of each error type. */
export interface ErrorCosts {
  /** Adds an image; arguments as of typeErrors. */
  add(detections: Float32Array, labels: Float32Array): void;
  /** Gain in mAP50 if all errors of a type were fixed, 0..1 (TIDE's dAP). */
  finish(): Record<ErrorKind, number>;
}

interface Row {
  confidence: number;
  class: number;
  kind: number;
  /** Index of the label over all images, −1 for none. */
  about: number;
}

/** @param nc number of classes */
export function errorCosts(nc: number): ErrorCosts {
  const rows: Row[] = [];
  const labelClass: number[] = [];
  const usedLabels = new Set<number>();
  const counts = new Float64Array(nc);
  const missed = new Float64Array(nc);
  return {
    add(detections, labels) {
      const first = labelClass.length;
      const typed = typeErrors(detections, labels);
      for (let j = 0; j < labels.length; j += LABEL) {
        labelClass.push(labels[j]);
        counts[labels[j]]++;
      }
      typed.kind.forEach((kind, i) => {
        const about = typed.about[i] < 0 ? NONE : first + typed.about[i];
        if (typed.hit[i] >= 0) usedLabels.add(about);
        rows.push({ confidence: detections[DETECTION * i + 4], class: detections[DETECTION * i + 5], kind, about });
      });
      for (const j of typed.missed) missed[labels[LABEL * j]]++;
    },
    finish() {
      const base = score(rows, counts);
      return Object.fromEntries(
        ERROR_KINDS.map((name, kind) => {
          const fixed =
            name === 'missed'
              ? score(
                  rows,
                  counts.map((value, id) => value - missed[id]),
                )
              : score(fix(rows, kind, usedLabels, labelClass), counts);
          return [name, Math.max(0, fixed - base)];
        }),
      ) as Record<ErrorKind, number>;
    },
  };
}

function score(rows: Row[], counts: Float64Array): number {
  return meanPrecisionAt(
    rows.map((row) => (row.kind === NONE ? 1 : 0)),
    rows.map((row) => row.confidence),
    rows.map((row) => row.class),
    counts,
  );
}

/**
 * Fixes all errors of a type: a localization or classification error becomes a true positive if it has the highest confidence
 * of those that refer to an unmatched label; all other detections with the error are removed.
 */
function fix(rows: Row[], kind: number, used: Set<number>, labelClass: number[]): Row[] {
  const fixable = ERROR_KINDS[kind] === 'localisation' || ERROR_KINDS[kind] === 'wrong class';
  const best = new Map<number, Row>();
  if (fixable) {
    for (const row of rows) {
      if (row.kind !== kind || used.has(row.about)) continue;
      const other = best.get(row.about);
      if (!other || row.confidence > other.confidence) best.set(row.about, row);
    }
  }
  return rows.flatMap((row) => {
    if (row.kind !== kind) return [row];
    return best.get(row.about) === row ? [{ ...row, kind: NONE, class: labelClass[row.about] }] : [];
  });
}
