/**
 * Non-maximum suppression on typed arrays: of boxes of one class whose IoU is above `iou`, the one with the highest
 * confidence is kept. Constants as in Ultralytics 8.4 (non_max_suppression), which separates classes by an offset of
 * 7680 pixels for each class. Here boxes are compared within their class, which is equivalent, without the rounding error
 * of large coordinates.
 */
import { columnToXyxy, DETECTION, iouWith } from '../core/boxes.js';

/** Default of maxCandidates. */
const MAX_CANDIDATES = 30_000;

/** Options of non-maximum suppression. */
export interface NmsOptions {
  /** Minimum confidence (exclusive), 0..1. */
  conf: number;
  /** IoU above which the box of lower confidence is suppressed. */
  iou: number;
  /** Only these classes; all when undefined or empty. */
  classes?: readonly number[];
  /** Boxes of different classes suppress each other, too. */
  agnostic?: boolean;
  /** At most this many boxes are kept. Default: 300. */
  maxDet?: number;
  /** Every class of an anchor with a score above `conf` is a candidate (validation), not only the best one (prediction). */
  multiLabel?: boolean;
  /** At most this many candidates, those of highest confidence. Default: 30,000. */
  maxCandidates?: number;
}

/**
 * @param prediction [4 + K, A] of one image: cx cy w h in pixels, then K scores 0..1
 * @param anchors A
 * @returns [N, 6] x1 y1 x2 y2 (pixels) confidence class, by descending confidence; ties in the order of anchor, then class
 */
export function nonMaxSuppression(prediction: Float32Array, anchors: number, options: NmsOptions): Float32Array {
  const { conf, iou, agnostic = false, maxDet = 300, multiLabel = false, maxCandidates = MAX_CANDIDATES } = options;
  if (anchors === 0) return new Float32Array(0);
  const K = prediction.length / anchors - 4;
  const wanted = options.classes?.length ? new Set(options.classes) : undefined;
  const collect = multiLabel && K > 1 ? everyClass : bestClass;
  const found = collect(prediction, anchors, K, conf, wanted);
  const order = byDescendingScore(found, K);
  const kept = new Float32Array(Math.min(maxDet, order.length) * DETECTION);
  const keptOf = new Map<number, number[]>(); // class → rows of `kept`
  let n = 0;
  for (let i = 0; i < order.length && i < maxCandidates && n < maxDet; i++) {
    const anchor = Math.floor(order[i] / K);
    const cls = order[i] % K;
    const group = agnostic ? 0 : cls;
    let rivals = keptOf.get(group);
    if (!rivals) {
      rivals = [];
      keptOf.set(group, rivals);
    }
    columnToXyxy(prediction, anchors, anchor, kept, n * DETECTION);
    if (overlapsAny(kept, n * DETECTION, rivals, iou)) continue;
    kept[n * DETECTION + 4] = prediction[(4 + cls) * anchors + anchor];
    kept[n * DETECTION + 5] = cls;
    rivals.push(n * DETECTION);
    n++;
  }
  return kept.slice(0, n * DETECTION);
}

/** Candidates; a place is anchor · K + class. */
interface Candidates {
  places: number[];
  scores: number[];
}

function bestClass(p: Float32Array, A: number, K: number, conf: number, wanted?: Set<number>): Candidates {
  const best = p.slice(4 * A, 5 * A); // [A] score of the best class so far
  const cls = new Uint16Array(A);
  for (let k = 1; k < K; k++) {
    const row = p.subarray((4 + k) * A, (5 + k) * A);
    for (let a = 0; a < A; a++) {
      if (row[a] > best[a]) {
        best[a] = row[a];
        cls[a] = k;
      }
    }
  }
  const found: Candidates = { places: [], scores: [] };
  for (let a = 0; a < A; a++) {
    if (!(best[a] > conf) || (wanted && !wanted.has(cls[a]))) continue;
    found.places.push(a * K + cls[a]);
    found.scores.push(best[a]);
  }
  return found;
}

function everyClass(p: Float32Array, A: number, K: number, conf: number, wanted?: Set<number>): Candidates {
  const found: Candidates = { places: [], scores: [] };
  for (let k = 0; k < K; k++) {
    if (wanted && !wanted.has(k)) continue;
    const row = p.subarray((4 + k) * A, (5 + k) * A);
    for (let a = 0; a < A; a++) {
      if (row[a] > conf) {
        found.places.push(a * K + k);
        found.scores.push(row[a]);
      }
    }
  }
  return found;
}

/**
 * Places by descending score, ties by ascending place. Score and place are packed into one float64, because sorting a
 * typed array without a comparison function is several times faster: the bits of a positive float32 increase with its
 * value, and their range below 1.0 (2^30) leaves 23 of 53 bits for the place. A comparison function is used when the
 * places need more bits.
 */
function byDescendingScore({ places, scores }: Candidates, K: number): ArrayLike<number> {
  const n = places.length;
  const bits = new Uint32Array(Float32Array.from(scores).buffer);
  let span = K;
  let [low, high] = [0xffffffff, 0];
  for (let i = 0; i < n; i++) {
    span = Math.max(span, places[i] + 1);
    low = Math.min(low, bits[i]);
    high = Math.max(high, bits[i]);
  }
  if ((high - low + 1) * span > Number.MAX_SAFE_INTEGER) {
    const by = Array.from(places.keys()).sort((i, j) => scores[j] - scores[i] || places[i] - places[j]);
    return by.map((i) => places[i]);
  }
  const keys = new Float64Array(n);
  for (let i = 0; i < n; i++) keys[i] = (high - bits[i]) * span + places[i];
  keys.sort();
  for (let i = 0; i < n; i++) keys[i] %= span;
  return keys;
}

/** Whether the IoU of the box at offset `at` with one of `rivals` (offsets in `rows`) is above `iou`. */
function overlapsAny(rows: Float32Array, at: number, rivals: readonly number[], iou: number): boolean {
  const [x1, y1, x2, y2] = [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]];
  for (let i = 0; i < rivals.length; i++) if (iouWith(x1, y1, x2, y2, rows, rivals[i]) > iou) return true;
  return false;
}
