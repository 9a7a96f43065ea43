/**
 * Finds objects that are labelled twice: boxes of one class that nearly coincide. In linear time: only boxes of similar
 * size and position are compared, which are found through a hash grid whose cells are proportional to the boxes.
 */
import { boxIou, LABEL, labelsToPx } from '../core/boxes.js';

/** Coordinates remain in 0..1. */
const UNIT = { width: 1, height: 1 };
/** IoU above which two boxes are the same object. */
const MIN_IOU = 0.95;
/** Bounds for such boxes: log2 of the ratio of their sides; distance of their centres as a fraction of the larger side. */
const MAX_LOG_RATIO = Math.log2(1 / MIN_IOU);
const MAX_CENTRE_DISTANCE = 1 - MIN_IOU;

/**
 * @param labels [M, 5] class cx cy w h in 0..1
 * @returns [earlier, later] index of rows, for each row that repeats an earlier one of its class
 */
export function repeatedRows(labels: Float32Array): [number, number][] {
  const found: [number, number][] = [];
  // Rows that repeat no other row, by cell. A cell has a bounded number of them, since boxes in it overlap strongly.
  const cells = new Map<string, number[]>();
  const corners = labelsToPx(labels, UNIT, undefined, new Float64Array(labels.length));
  for (let row = 0; LABEL * row < labels.length; row++) {
    const same = (other: number): boolean => boxIou(corners, LABEL * other + 1, corners, LABEL * row + 1) > MIN_IOU;
    const earlier = find(keysNear(labels, row, 1), cells, same);
    if (earlier !== undefined) found.push([earlier, row]);
    else {
      const [key] = keysNear(labels, row, 0);
      const cell = cells.get(key);
      if (cell) cell.push(row);
      else cells.set(key, [row]);
    }
  }
  return found;
}

function find(
  keys: Iterable<string>,
  cells: Map<string, number[]>,
  same: (row: number) => boolean,
): number | undefined {
  for (const key of keys) {
    const found = cells.get(key)?.find(same);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Keys of the cells of a box: class, octave of width and height, and position in units of a quarter of the octave's size.
 * @param tolerance 1: all cells in which a box that coincides with this one may be; 0: the box's own cell
 */
function* keysNear(labels: Float32Array, row: number, tolerance: 0 | 1): Generator<string> {
  const [id, cx, cy, w, h] = labels.subarray(LABEL * row, LABEL * (row + 1));
  for (const [octaveW, x] of cellsAlong(w, cx, tolerance))
    for (const [octaveH, y] of cellsAlong(h, cy, tolerance)) yield `${id} ${octaveW} ${octaveH} ${x} ${y}`;
}

/** The cells along one axis. */
function* cellsAlong(side: number, centre: number, tolerance: 0 | 1): Generator<[octave: number, position: number]> {
  const size = Math.log2(side);
  const logRatio = tolerance * MAX_LOG_RATIO;
  const distance = (tolerance * MAX_CENTRE_DISTANCE * side) / MIN_IOU;
  for (let octave = Math.floor(size - logRatio); octave <= Math.floor(size + logRatio); octave++) {
    const cell = 2 ** octave / 4;
    const last = Math.floor((centre + distance) / cell);
    for (let p = Math.floor((centre - distance) / cell); p <= last; p++) yield [octave, p];
  }
}
