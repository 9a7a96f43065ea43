/**
 * Non-maximum suppression on plain arrays: of boxes of one class that overlap by more than `iou`, the most certain stays.
 * Constants as in Ultralytics 8.4 (non_max_suppression). There, classes are kept apart by moving each class's boxes 7680 px away; here boxes
 * are only ever compared within their class, which is the same without the rounding that large coordinates bring.
 */
import { columnToXyxy, DETECTION, iouWith } from '../core/boxes.js';

/** Candidates beyond this many are dropped, least certain first. */
const MAX_CANDIDATES = 30_000;

export interface NmsOptions {
  /** Scores must be above this. */
  conf: number;
  /** Overlap (intersection over union) above which the less certain box goes. */
  iou: number;
  /** Only these classes; all when absent or empty. */
  classes?: readonly number[];
  /** Boxes of different classes suppress each other, too. */
  agnostic?: boolean;
  /** At most this many boxes are kept. Default: 300. */
  maxDet?: number;
  /** Every class over `conf` of an anchor is a candidate (validation); else only the best one (prediction). */
  multiLabel?: boolean;
  /** Default: 30,000. */
  maxCandidates?: number;
}

/**
 * @param prediction [4 + K, A] of one image: cx cy w h in pixels, then K scores 0..1
 * @param anchors A
 * @returns [N, 6] x1 y1 x2 y2 (pixels) confidence class, most certain first; ties in the order of anchor, then class
 */
export function nonMaxSuppression(prediction: Float32Array, anchors: number, options: NmsOptions): Float32Array {
  const { conf, iou, agnostic = false, maxDet = 300, multiLabel = false, maxCandidates = MAX_CANDIDATES } = options;
  if (anchors === 0) return new Float32Array(0);
  const K = prediction.length / anchors - 4;
  const wanted = options.classes?.length ? new Set(options.classes) : undefined;
  const collect = multiLabel && K > 1 ? everyClass : bestClass;
  const found = collect(prediction, anchors, K, conf, wanted);
  const order = mostCertainFirst(found, K);
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

/** Candidates: `place` is anchor · K + class. */
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
 * Places by falling score, ties by rising place. Score and place are packed into one double, because a typed array
 * without a comparison function sorts natively: bits of a positive float rise with its value, and 2^30 steps below 1.0
 * leave 23 bits for the place. When there are more places than that, a comparison function does it.
 */
function mostCertainFirst({ places, scores }: Candidates, K: number): ArrayLike<number> {
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

/** @param rivals where in `rows` the boxes begin that the one at `at` is compared with */
function overlapsAny(rows: Float32Array, at: number, rivals: readonly number[], iou: number): boolean {
  const [x1, y1, x2, y2] = [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]];
  for (let i = 0; i < rivals.length; i++) if (iouWith(x1, y1, x2, y2, rows, rivals[i]) > iou) return true;
  return false;
}
