/**
 * Random perspective of a training image, M = T·S·R·P·C, applied from right to left: C moves the image's centre to the
 * origin, P is the perspective, R rotates and scales, S shears, T translates the centre to its position in the result.
 * A box becomes the axis-aligned bounding box of its four transformed corners.
 */
import { boxArea, LABEL } from '../../core/boxes.js';
import { clip, select } from './boxes.js';

/** 3x3, row by row; maps pixels of the source to pixels of the result. */
export type Matrix = number[];

/** Sampled parameters of the transform. */
export interface AffineParams {
  /** Degrees, counter-clockwise. */
  angle: number;
  scale: number;
  /** Degrees. */
  shearX: number;
  shearY: number;
  perspectiveX: number;
  perspectiveY: number;
  /** Position of the source's centre in the result, as a fraction of its width and height. */
  centreX: number;
  centreY: number;
}

/** A box is kept when both sides are longer than this, in pixels … */
const MIN_SIDE = 2;
/** … more than this fraction of its area remains … */
const MIN_AREA_RATIO = 0.1;
/** … and its longer side is less than this many times the shorter. */
const MAX_ASPECT = 100;
/** Avoids division by zero. */
const EPSILON = 1e-16;

/**
 * @param from,to [width, height] of the source and of the result, pixels
 * @returns the matrix that maps pixels of the source to pixels of the result
 */
export function affineMatrix(params: AffineParams, from: [number, number], to: [number, number]): Matrix {
  const radians = Math.PI / 180;
  const cos = params.scale * Math.cos(params.angle * radians);
  const sin = params.scale * Math.sin(params.angle * radians);
  const centre = [1, 0, -from[0] / 2, 0, 1, -from[1] / 2, 0, 0, 1];
  const perspective = [1, 0, 0, 0, 1, 0, params.perspectiveX, params.perspectiveY, 1];
  const rotate = [cos, sin, 0, -sin, cos, 0, 0, 0, 1];
  const shear = [1, Math.tan(params.shearX * radians), 0, Math.tan(params.shearY * radians), 1, 0, 0, 0, 1];
  const translate = [1, 0, params.centreX * to[0], 0, 1, params.centreY * to[1], 0, 0, 1];
  return [translate, shear, rotate, perspective, centre].reduce(multiply);
}

/** @returns the product a·b */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const out = new Array<number>(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) out[i * 3 + j] = a[i * 3] * b[j] + a[i * 3 + 1] * b[3 + j] + a[i * 3 + 2] * b[6 + j];
  }
  return out;
}

/** @returns the inverse matrix, by cofactors */
export function invert(m: Matrix): Matrix {
  const [a, b, c, d, e, f, g, h, i] = m;
  const cofactors = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f];
  cofactors.push(d * h - e * g, b * g - a * h, a * e - b * d);
  const determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6];
  return cofactors.map((v) => v / determinant);
}

/**
 * Transforms boxes, clips them to the result and drops those that are too small, too thin or mostly clipped.
 * @param boxesPx [M, 5] class xyxy, pixels of the source
 * @param scale of the transform; the remaining area is compared with the box's area times scale²
 * @returns [m, 5] class xyxy, pixels of the result of width x height
 */
export function warpBoxes(
  boxesPx: Float64Array,
  m: Matrix,
  scale: number,
  width: number,
  height: number,
): Float64Array {
  const moved = new Float64Array(boxesPx.length);
  for (let i = 0; i < boxesPx.length; i += LABEL) {
    let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let corner = 0; corner < 4; corner++) {
      const px = boxesPx[i + (corner & 1 ? 3 : 1)];
      const py = boxesPx[i + (corner & 2 ? 4 : 2)];
      const w = m[6] * px + m[7] * py + m[8];
      const x = (m[0] * px + m[1] * py + m[2]) / w;
      const y = (m[3] * px + m[4] * py + m[5]) / w;
      x1 = Math.min(x1, x);
      y1 = Math.min(y1, y);
      x2 = Math.max(x2, x);
      y2 = Math.max(y2, y);
    }
    moved.set([boxesPx[i], x1, y1, x2, y2], i);
  }
  clip(moved, 0, 0, width, height);
  return select(moved, (i) => {
    const w = moved[i + 3] - moved[i + 1];
    const h = moved[i + 4] - moved[i + 2];
    const before = boxArea(boxesPx, i + 1) * scale * scale;
    const aspect = Math.max(w / (h + EPSILON), h / (w + EPSILON));
    return w > MIN_SIDE && h > MIN_SIDE && (w * h) / (before + EPSILON) > MIN_AREA_RATIO && aspect < MAX_ASPECT;
  });
}
