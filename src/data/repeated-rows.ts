/**
 * Objects that are labelled twice: boxes of one class that nearly cover one another. In time linear in the number of
 * boxes: only boxes of like size and place are compared, found through cells of a grid that is as fine as they are large.
 */
import { boxIou, LABEL, labelsToPx } from '../core/boxes.js';

/** Places and sizes stay parts of the image. */
const UNIT = { width: 1, height: 1 };
/** IoU over which two boxes are one. */
const SAME = 0.95;
/** Sides of such boxes differ by no more than this, as logarithms to base 2; centres by this part of the larger side. */
const SIDES_APART = Math.log2(1 / SAME);
const CENTRES_APART = 1 - SAME;

/**
 * @param labels rows of 5: class, cx, cy, w, h
 * @returns [earlier, later] row for each row that repeats an earlier one of its class
 */
export function repeatedRows(labels: Float32Array): [number, number][] {
  const found: [number, number][] = [];
  // Boxes that repeat none, by cell: of like boxes in a cell there can only be so many that are not the same.
  const cells = new Map<string, number[]>();
  const corners = labelsToPx(labels, UNIT, undefined, new Float64Array(labels.length));
  for (let row = 0; LABEL * row < labels.length; row++) {
    const same = (other: number): boolean => boxIou(corners, LABEL * other + 1, corners, LABEL * row + 1) > SAME;
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
 * Cells of a box: class, octave of width and height, and place in units of a quarter of that octave.
 * @param tolerance 1: also the cells that a box may be in which is the same as this one; 0: its own alone
 */
function* keysNear(labels: Float32Array, row: number, tolerance: 0 | 1): Generator<string> {
  const [id, cx, cy, w, h] = labels.subarray(LABEL * row, LABEL * (row + 1));
  for (const [octaveW, x] of spots(w, cx, tolerance))
    for (const [octaveH, y] of spots(h, cy, tolerance)) yield `${id} ${octaveW} ${octaveH} ${x} ${y}`;
}

function* spots(side: number, centre: number, tolerance: 0 | 1): Generator<[octave: number, place: number]> {
  const size = Math.log2(side);
  const apart = (tolerance * CENTRES_APART * side) / SAME;
  for (let o = Math.floor(size - tolerance * SIDES_APART); o <= Math.floor(size + tolerance * SIDES_APART); o++) {
    const cell = 2 ** o / 4;
    for (let p = Math.floor((centre - apart) / cell); p <= Math.floor((centre + apart) / cell); p++) yield [o, p];
  }
}
