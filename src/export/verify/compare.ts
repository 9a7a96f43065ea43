/**
 * Whether an exported model says the same as the model it came from: both are run on one image, and what they find is
 * compared. Raw outputs are compared at the anchors that matter: a box of an anchor that nobody would keep may differ by
 * pixels in half precision without any consequence.
 */
import { boxIou, columnToXyxy, DETECTION } from '../../core/boxes.js';
import { detectionsOf } from '../../detect/detections.js';
import type { InferOutput } from '../../detect/detector.js';
import type { NmsOptions } from '../../detect/nms.js';

export interface Verification {
  /** Largest difference of all numbers that were compared. */
  max_abs_diff: number;
  /** Largest difference of a box's numbers, pixels of the network's input. */
  boxes: number;
  /** Largest difference of a score, 0..1. */
  scores: number;
  /** Anchors or detections that were compared. */
  compared: number;
}

export interface Tolerance {
  /** Pixels. */
  boxes: number;
  scores: number;
}

export const FLOAT_TOLERANCE: Tolerance = { boxes: 0.5, scores: 1e-3 };
/** Twice what half precision was seen to cost a detection of YOLOv8n. */
export const HALF_TOLERANCE: Tolerance = { boxes: 2, scores: 2e-2 };

/**
 * 8-bit weights move every answer, most of all those of anchors that nobody would keep: this only tells a wrong file from
 * a right one. What the rounding costs is told by mAP (data=).
 */
export function eightBitTolerance(imgsz: readonly [number, number]): Tolerance {
  return { boxes: 0.1 * Math.max(...imgsz), scores: 0.25 };
}

/** Anchors over this score are compared, and at least so many of the best. */
const SCORE = 0.25;
const MIN_ANCHORS = 20;

export function within({ boxes, scores }: Verification, tolerance: Tolerance): boolean {
  return boxes <= tolerance.boxes && scores <= tolerance.scores;
}

/** Raw outputs [1.., 4 + K, A] of one image, the first of each. */
export function compareRaw(original: InferOutput, exported: InferOutput): Verification {
  const [, rows, anchors] = original.shape;
  if (exported.shape[1] !== rows || exported.shape[2] !== anchors) return failed();
  const best = bestScores(original);
  const order = Array.from(best.keys()).sort((a, b) => best[b] - best[a]);
  const count = Math.max(MIN_ANCHORS, best.filter((score) => score > SCORE).length);
  const verification = { boxes: 0, scores: 0 };
  const chosen = order.slice(0, count);
  for (const a of chosen) {
    for (let r = 0; r < rows; r++) {
      const [x, y] = [original.data[r * anchors + a], exported.data[r * anchors + a]];
      const difference = Object.is(x, y) ? 0 : Math.abs(x - y); // broken weights: both say NaN
      const key = r < 4 ? 'boxes' : 'scores';
      // Not a number: nothing could differ more.
      verification[key] = Math.max(verification[key], Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    }
  }
  return { ...verification, max_abs_diff: largest(verification), compared: chosen.length };
}

type FinalOptions = Required<Pick<NmsOptions, 'conf' | 'iou' | 'maxDet' | 'agnostic'>>;

/** Overlaps so near to the threshold may fall on either side of it. */
const IOU_MARGIN = 0.05;

/**
 * Raw output of the original against final rows [1.., N, 6] of a graph that ends in NMS. Three things are asked, none of
 * which a tie between two classes or two boxes can upset: each row is what an anchor of the original says; the original's
 * own detections are all there, or lie under a row; and no two rows of a class overlap by more than `iou`.
 */
export function compareFinal(
  original: InferOutput,
  exported: InferOutput,
  options: FinalOptions,
  tolerance: Tolerance,
): Verification {
  const want = rowsOf(detectionsOf(original, 0, options));
  const got = rowsOf(detectionsOf(exported, 0, options, true));
  const verification = { boxes: 0, scores: 0 };
  for (const row of got) {
    const { boxes, scores } = nearestAnchor(row, original, tolerance);
    verification.boxes = Math.max(verification.boxes, boxes);
    verification.scores = Math.max(verification.scores, scores);
  }
  // What is next to `conf`, or last of a full list, may fall on either side.
  const sure = got.length < options.maxDet ? want.filter((row) => row[4] >= options.conf + tolerance.scores) : [];
  const there = (row: Float32Array) =>
    got.some((other) => other[4] >= row[4] - tolerance.scores && boxIou(row, 0, other, 0) > options.iou - IOU_MARGIN);
  const twice = got.some((row, i) =>
    got
      .slice(0, i)
      .some(
        (other) => (options.agnostic || row[5] === other[5]) && boxIou(row, 0, other, 0) > options.iou + IOU_MARGIN,
      ),
  );
  if (twice || !sure.every(there)) return failed();
  return { ...verification, max_abs_diff: largest(verification), compared: got.length };
}

/**
 * A confidence that the surest anchors of a raw output pass, for an image on which there may be nothing.
 * @returns 0 when nothing has any score
 */
export function confidenceFor(output: InferOutput): number {
  const best = bestScores(output).sort();
  return best[Math.max(0, best.length - 1 - MIN_ANCHORS)] ?? 0;
}

/** [A] the highest score of each anchor. */
function bestScores({ data, shape: [, rows, anchors] }: InferOutput): Float32Array {
  const best = new Float32Array(anchors);
  for (let r = 4; r < rows; r++) for (let a = 0; a < anchors; a++) best[a] = Math.max(best[a], data[r * anchors + a]);
  return best;
}

function rowsOf(rows: Float32Array): Float32Array[] {
  return Array.from({ length: rows.length / DETECTION }, (_, i) => rows.subarray(i * DETECTION, (i + 1) * DETECTION));
}

/** What an anchor of the original differs by that says most nearly the same. @param row x1 y1 x2 y2 confidence class */
function nearestAnchor(
  row: Float32Array,
  { data, shape: [, rows, anchors] }: InferOutput,
  tolerance: Tolerance,
): { boxes: number; scores: number } {
  let found = { boxes: Number.POSITIVE_INFINITY, scores: Number.POSITIVE_INFINITY };
  const cls = row[5];
  if (!(cls >= 0 && cls < rows - 4)) return found;
  const box = new Float32Array(4);
  for (let a = 0; a < anchors; a++) {
    columnToXyxy(data, anchors, a, box, 0);
    const boxes = Math.max(...box.map((x, k) => Math.abs(x - row[k])));
    const one = { boxes, scores: Math.abs(data[(4 + cls) * anchors + a] - row[4]) };
    if (strain(one, tolerance) < strain(found, tolerance)) found = one;
  }
  return found;
}

function strain({ boxes, scores }: Tolerance, tolerance: Tolerance): number {
  return Math.max(boxes / tolerance.boxes, scores / tolerance.scores);
}

function largest({ boxes, scores }: { boxes: number; scores: number }): number {
  return Math.max(boxes, scores);
}

function failed(): Verification {
  const worst = Number.POSITIVE_INFINITY;
  return { max_abs_diff: worst, boxes: worst, scores: worst, compared: 0 };
}
