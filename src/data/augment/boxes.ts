/**
 * Labels while an image is being changed: rows of 5 numbers, class x1 y1 x2 y2 in pixels, in a Float64Array ("boxesPx",
 * [M, 5]). Files hold class cx cy w h in 0..1; a batch has these pixels, in a Float32Array.
 */
import { LABEL, labelsToPx, type Size } from '../../core/boxes.js';

/** @param labels [M, 5] class xywh, parts of an image of this size @returns [M, 5] class xyxy, pixels, moved by left, top */
export function toPixels(labels: Float32Array, image: Size, left = 0, top = 0): Float64Array {
  return labelsToPx(labels, image, { ratioX: 1, ratioY: 1, padX: left, padY: top }, new Float64Array(labels.length));
}

/** Cuts boxes to a rectangle, in place. */
export function clip(boxesPx: Float64Array, x1: number, y1: number, x2: number, y2: number): Float64Array {
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    boxesPx[i + 1] = Math.min(Math.max(boxesPx[i + 1], x1), x2);
    boxesPx[i + 2] = Math.min(Math.max(boxesPx[i + 2], y1), y2);
    boxesPx[i + 3] = Math.min(Math.max(boxesPx[i + 3], x1), x2);
    boxesPx[i + 4] = Math.min(Math.max(boxesPx[i + 4], y1), y2);
  }
  return boxesPx;
}

/** The rows for which `keep(offset of the row)` holds. */
export function select(boxesPx: Float64Array, keep: (i: number) => boolean): Float64Array {
  const out = new Float64Array(boxesPx.length);
  let n = 0;
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    if (!keep(i)) continue;
    out.set(boxesPx.subarray(i, i + LABEL), n);
    n += LABEL;
  }
  return out.subarray(0, n);
}

/** Boxes that have an area. */
export function withArea(boxesPx: Float64Array): Float64Array {
  return select(boxesPx, (i) => boxesPx[i + 3] > boxesPx[i + 1] && boxesPx[i + 4] > boxesPx[i + 2]);
}

/** All rows of several lists. */
export function join(...lists: Float64Array[]): Float64Array {
  const out = new Float64Array(lists.reduce((sum, list) => sum + list.length, 0));
  let n = 0;
  for (const list of lists) {
    out.set(list, n);
    n += list.length;
  }
  return out;
}
