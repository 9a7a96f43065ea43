/**
 * CutMix (Yun et al. 2019, arXiv 1905.04899): a rectangle of a second image replaces that region of the first. One of
 * the candidate rectangles that cover no object of the first image is used; if there is none, the image is unchanged.
 */
import { boxArea, boxIntersection, LABEL } from '../../core/boxes.js';
import type { RgbImage } from '../../core/types.js';
import { clip, join, select } from './boxes.js';

/** Sampled parameters of CutMix. */
export interface CutmixParams {
  /** Candidates: fraction of the image's area (1 − λ, λ from Beta(1, 1)) and centre of the rectangle, all 0..1. */
  candidates: { area: number; x: number; y: number }[];
  /** 0..1: selects one of the candidates that cover no object. */
  choice: number;
}

/** An object of the second image is kept when at least this fraction of its area lies inside the rectangle. */
const MIN_INSIDE = 0.1;

/**
 * Changes `image` in place.
 * @param other of the same size
 * @param boxesPx,otherBoxesPx [M, 5] class xyxy, pixels
 * @returns [M, 5] labels of the result, class xyxy, pixels
 */
export function cutmix(
  image: RgbImage,
  boxesPx: Float64Array,
  other: RgbImage,
  otherBoxesPx: Float64Array,
  { candidates, choice }: CutmixParams,
): Float64Array {
  const free = candidates.map((c) => rectangle(c, image.width, image.height)).filter((r) => isFree(r, boxesPx));
  if (!free.length) return boxesPx;
  const [x1, y1, x2, y2] = free[Math.floor(choice * free.length)];
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

/** @returns x1 y1 x2 y2 of the candidate clipped to the image, whole pixels, end exclusive */
function rectangle({ area, x, y }: CutmixParams['candidates'][number], width: number, height: number): number[] {
  const side = Math.sqrt(area);
  const w = Math.floor(width * side);
  const h = Math.floor(height * side);
  const left = Math.floor(x * width) - (w >> 1);
  const top = Math.floor(y * height) - (h >> 1);
  return [Math.max(left, 0), Math.max(top, 0), Math.min(left + w, width), Math.min(top + h, height)];
}

function isFree(r: number[], boxesPx: Float64Array): boolean {
  if (r[0] >= r[2] || r[1] >= r[3]) return false;
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    if (boxIntersection(r, 0, boxesPx, i + 1) > 0) return false;
  }
  return true;
}
