/**
 * Whether an exported model says the same as the model it came from: both are run on one picture, and what they find is
 * compared. Raw outputs are compared at the anchors that matter: a box of an anchor that nobody would keep may differ by
 * pixels in half precision without any consequence.
 */
import { detectionsOf } from '../detect/decode.js';
import { ROW } from '../detect/nms.js';
import type { InferOutput } from '../nn/detector.js';

export interface Parity {
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
const LEAST_ANCHORS = 20;

export function within({ boxes, scores }: Parity, tolerance: Tolerance): boolean {
  return boxes <= tolerance.boxes && scores <= tolerance.scores;
}

/** Raw outputs [1.., 4 + K, A] of one picture, the first of each. */
export function compareRaw(original: InferOutput, exported: InferOutput): Parity {
  const [, rows, anchors] = original.shape;
  if (exported.shape[1] !== rows || exported.shape[2] !== anchors) return failed();
  const best = new Float32Array(anchors);
  for (let a = 0; a < anchors; a++)
    for (let r = 4; r < rows; r++) best[a] = Math.max(best[a], original.data[r * anchors + a]);
  const order = Array.from(best.keys()).sort((a, b) => best[b] - best[a]);
  const count = Math.max(LEAST_ANCHORS, best.filter((score) => score > SCORE).length);
  const parity = { boxes: 0, scores: 0 };
  const chosen = order.slice(0, count);
  for (const a of chosen) {
    for (let r = 0; r < rows; r++) {
      const difference = Math.abs(original.data[r * anchors + a] - exported.data[r * anchors + a]);
      const key = r < 4 ? 'boxes' : 'scores';
      // Not a number: nothing could differ more.
      parity[key] = Math.max(parity[key], Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    }
  }
  return { ...parity, max_abs_diff: largest(parity), compared: chosen.length };
}

/** Raw output of the original against final rows [1.., N, 6] of a graph that ends in NMS. */
export function compareFinal(
  original: InferOutput,
  exported: InferOutput,
  options: { conf: number; iou: number; maxDet: number; agnostic: boolean },
  tolerance: Tolerance,
): Parity {
  const want = detectionsOf(original, 0, options);
  const got = detectionsOf(exported, 0, options, true);
  const parity = { boxes: 0, scores: 0 };
  let compared = 0;
  // From both sides: nothing is missing, and nothing is there that should not be.
  for (const [rows, others] of [
    [want, got],
    [got, want],
  ]) {
    for (let i = 0; i < rows.length; i += ROW) {
      // What is next to a threshold, or last of a full list, may fall on either side.
      if (rows[i + 4] < options.conf + tolerance.scores || others.length === options.maxDet * ROW) continue;
      const nearest = match(rows.subarray(i, i + ROW), others);
      compared++;
      parity.boxes = Math.max(parity.boxes, nearest.boxes);
      parity.scores = Math.max(parity.scores, nearest.scores);
    }
  }
  return { ...parity, max_abs_diff: largest(parity), compared };
}

/** The row of the same class with the least difference of its box. */
function match(row: Float32Array, others: Float32Array): { boxes: number; scores: number } {
  let found = { boxes: Number.POSITIVE_INFINITY, scores: Number.POSITIVE_INFINITY };
  for (let j = 0; j < others.length; j += ROW) {
    if (others[j + 5] !== row[5]) continue;
    const boxes = Math.max(...[0, 1, 2, 3].map((k) => Math.abs(row[k] - others[j + k])));
    if (boxes < found.boxes) found = { boxes, scores: Math.abs(row[4] - others[j + 4]) };
  }
  return found;
}

function largest({ boxes, scores }: { boxes: number; scores: number }): number {
  return Math.max(boxes, scores);
}

function failed(): Parity {
  const worst = Number.POSITIVE_INFINITY;
  return { max_abs_diff: worst, boxes: worst, scores: worst, compared: 0 };
}
