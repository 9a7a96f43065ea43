/**
 * Labels during augmentation: `boxesPx`, a Float64Array [M, 5] with rows class x1 y1 x2 y2 in pixels. Label files have
 * class cx cy w h in 0..1; batches have class x1 y1 x2 y2 in pixels as a Float32Array.
 */
import { LABEL, labelsToPx, type Size } from '../../core/boxes.js';

/**
 * @param labels [M, 5] class cx cy w h in 0..1 of an image of size `image`
 * @param left,top offset that is added, pixels
 * @returns [M, 5] class xyxy, pixels
 */
export function toPixels(labels: Float32Array, image: Size, left = 0, top = 0): Float64Array {
  return labelsToPx(labels, image, { ratioX: 1, ratioY: 1, padX: left, padY: top }, new Float64Array(labels.length));
}

/** Clips boxes [M, 5] to a rectangle, in place. */
export function clip(boxesPx: Float64Array, x1: number, y1: number, x2: number, y2: number): Float64Array {
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    boxesPx[i + 1] = Math.min(Math.max(boxesPx[i + 1], x1), x2);
    boxesPx[i + 2] = Math.min(Math.max(boxesPx[i + 2], y1), y2);
    boxesPx[i + 3] = Math.min(Math.max(boxesPx[i + 3], x1), x2);
    boxesPx[i + 4] = Math.min(Math.max(boxesPx[i + 4], y1), y2);
  }
  return boxesPx;
}

/** @returns the rows for which `keep` returns true; it is called with the offset of the row in the array */
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

/** @returns the boxes with an area above 0 */
export function withArea(boxesPx: Float64Array): Float64Array {
  return select(boxesPx, (i) => boxesPx[i + 3] > boxesPx[i + 1] && boxesPx[i + 4] > boxesPx[i + 2]);
}

/** @returns all rows of several lists, in order */
export function join(...lists: Float64Array[]): Float64Array {
  const out = new Float64Array(lists.reduce((sum, list) => sum + list.length, 0));
  let n = 0;
  for (const list of lists) {
    out.set(list, n);
    n += list.length;
  }
  return out;
}
