/**
 * What kind of mistake each false detection and each miss is, and what each kind costs, after TIDE (Bolya et al. 2020,
 * arXiv 2008.08115, section 2): foreground from IoU 0.5, background under 0.1. TIDE's sixth kind ("both": wrong class and
 * badly placed) is cured like a detection of background, by taking it away, and counts as that here.
 */
import { DETECTION, LABEL } from '../core/boxes.js';
import { meanPrecisionAt } from './ap.js';
import { iouMatrix, matchAt } from './match.js';

export const ERROR_KINDS = ['localisation', 'wrong class', 'duplicate', 'background', 'missed'] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** What a user can read about each kind. */
export const ERROR_MEANING: Record<ErrorKind, string> = {
  localisation: 'right class, but the box fits badly (IoU 0.1 to 0.5)',
  'wrong class': 'an object is there, but of another class',
  duplicate: 'the object was already found by a surer detection',
  background: 'nothing is labelled there, or another class, badly hit',
  missed: 'an object that no detection comes near',
};

const FOREGROUND = 0.5;
const BACKGROUND = 0.1;
const NONE = -1;

export interface TypedImage {
  /** Per detection the label it hits at IoU 0.5, −1 for none. */
  hit: Int32Array;
  /** Per detection the index in ERROR_KINDS, −1 for a hit. */
  kind: Int8Array;
  /** Per detection the label that it hits, or that the mistake is about; −1 for background. */
  about: Int32Array;
  /** Labels that nothing hits and that no localisation or class mistake explains. */
  missed: number[];
}

/** Types one image: detections rows of 6 by falling confidence, labels rows of 5, same pixels. */
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
  /** The label of greatest IoU among those asked for. */
  const nearest = (i: number, wanted: (j: number) => boolean): [label: number, iou: number] => {
    let [best, value] = [NONE, 0];
    for (let j = 0; j < m; j++) if (wanted(j) && iou[j * n + i] > value) [best, value] = [j, iou[j * n + i]];
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

/** Collects images and says what each kind of mistake costs. */
export interface ErrorCosts {
  add(detections: Float32Array, labels: Float32Array): void;
  /** What mAP50 would gain if all mistakes of that kind were mended, 0..1. */
  finish(): Record<ErrorKind, number>;
}

interface Row {
  confidence: number;
  class: number;
  kind: number;
  /** Number of the label over all images, −1 for none. */
  about: number;
}

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
          const mended =
            name === 'missed'
              ? score(
                  rows,
                  counts.map((value, id) => value - missed[id]),
                )
              : score(mend(rows, kind, usedLabels, labelClass), counts);
          return [name, Math.max(0, mended - base)];
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
 * Takes the mistakes of a kind away; a badly placed or misnamed detection becomes a hit when it is the surest one about a
 * label that nothing hits.
 */
function mend(rows: Row[], kind: number, used: Set<number>, labelClass: number[]): Row[] {
  const curable = ERROR_KINDS[kind] === 'localisation' || ERROR_KINDS[kind] === 'wrong class';
  const surest = new Map<number, Row>();
  if (curable) {
    for (const row of rows) {
      if (row.kind !== kind || used.has(row.about)) continue;
      const rival = surest.get(row.about);
      if (!rival || row.confidence > rival.confidence) surest.set(row.about, row);
    }
  }
  return rows.flatMap((row) => {
    if (row.kind !== kind) return [row];
    return surest.get(row.about) === row ? [{ ...row, kind: NONE, class: labelClass[row.about] }] : [];
  });
}
