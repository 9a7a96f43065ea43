/**
 * CutMix (Yun et al. 2019, arXiv 1905.04899): a rectangle of a second image replaces that part of the first. Of up to
 * three candidate rectangles one is taken that covers no object of the first; without such a one nothing happens.
 */

import { boxArea, boxIntersection, LABEL } from '../../core/boxes.js';
import type { RgbImage } from '../../core/types.js';
import { clip, join, select } from './boxes.js';

export interface CutmixDraw {
  /** Candidates: part of the area that is replaced (1 − Beta(1, 1)) and the rectangle's centre, all 0..1. */
  areas: { part: number; x: number; y: number }[];
  /** 0..1: which of the candidates that fit. */
  choice: number;
}

/** An object of the second image counts when at least this part of it lies inside the rectangle. */
const MIN_INSIDE = 0.1;

/**
 * Changes `image` in place.
 * @param boxesPx,otherBoxesPx [M, 5] class xyxy
 * @returns the labels of the result
 */
export function cutmix(
  image: RgbImage,
  boxesPx: Float64Array,
  other: RgbImage,
  otherBoxesPx: Float64Array,
  draw: CutmixDraw,
): Float64Array {
  const free = draw.areas.map((a) => rectangle(a, image.width, image.height)).filter((r) => isFree(r, boxesPx));
  if (!free.length) return boxesPx;
  const [x1, y1, x2, y2] = free[Math.floor(draw.choice * free.length)];
  for (let y = y1; y < y2; y++) {
    const from = (y * image.width + x1) * 3;
    image.data.set(other.data.subarray(from, from + (x2 - x1) * 3), from);
  }
  const inside = select(
    otherBoxesPx,
    (i) => boxIntersection([x1, y1, x2, y2], 0, otherBoxesPx, i + 1) >= MIN_INSIDE * boxArea(otherBoxesPx, i + 1),
  );
  return join(boxesPx, clip(inside, x1, y1, x2, y2));
}

/** The candidate cut to the image, whole pixels, end exclusive. */
function rectangle(area: CutmixDraw['areas'][number], width: number, height: number): number[] {
  const side = Math.sqrt(area.part);
  const w = Math.floor(width * side);
  const h = Math.floor(height * side);
  const left = Math.floor(area.x * width) - (w >> 1);
  const top = Math.floor(area.y * height) - (h >> 1);
  return [Math.max(left, 0), Math.max(top, 0), Math.min(left + w, width), Math.min(top + h, height)];
}

function isFree(r: number[], boxesPx: Float64Array): boolean {
  if (r[0] >= r[2] || r[1] >= r[3]) return false;
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    if (boxIntersection(r, 0, boxesPx, i + 1) > 0) return false;
  }
  return true;
}
