/**
 * The geometric change of a training image: M = T·S·R·P·C, read from the right: centre the image, perspective, rotate
 * and scale about the centre, shear, move to its place in the result. Boxes become the hull of their moved corners.
 */
import { boxArea, LABEL } from '../../core/boxes.js';
import { clip, select } from './boxes.js';

/** 3x3, row by row; maps pixels of the source to pixels of the result. */
export type Matrix = number[];

export interface AffineDraw {
  /** Degrees, counter-clockwise. */
  angle: number;
  scale: number;
  /** Degrees. */
  shearX: number;
  shearY: number;
  perspectiveX: number;
  perspectiveY: number;
  /** Where the source's centre comes to lie, as a fraction of the result's sides. */
  placeX: number;
  placeY: number;
}

/** A box stays when both sides are longer than this, in pixels … */
const MIN_SIDE = 2;
/** … more than this part of its area is left … */
const MIN_AREA_RATIO = 0.1;
/** … and its longer side is less than this many times the shorter. */
const MAX_ASPECT = 100;
const EPSILON = 1e-16;

/** The matrix of a draw for a source of `from` [width, height] and a result of `to`. */
export function affineMatrix(draw: AffineDraw, from: [number, number], to: [number, number]): Matrix {
  const radians = Math.PI / 180;
  const cos = draw.scale * Math.cos(draw.angle * radians);
  const sin = draw.scale * Math.sin(draw.angle * radians);
  const centre = [1, 0, -from[0] / 2, 0, 1, -from[1] / 2, 0, 0, 1];
  const perspective = [1, 0, 0, 0, 1, 0, draw.perspectiveX, draw.perspectiveY, 1];
  const rotate = [cos, sin, 0, -sin, cos, 0, 0, 0, 1];
  const shear = [1, Math.tan(draw.shearX * radians), 0, Math.tan(draw.shearY * radians), 1, 0, 0, 0, 1];
  const move = [1, 0, draw.placeX * to[0], 0, 1, draw.placeY * to[1], 0, 0, 1];
  return [move, shear, rotate, perspective, centre].reduce(multiply);
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const out = new Array<number>(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) out[i * 3 + j] = a[i * 3] * b[j] + a[i * 3 + 1] * b[3 + j] + a[i * 3 + 2] * b[6 + j];
  }
  return out;
}

/** By cofactors; the last row is scaled so that an affine matrix stays one, [0, 0, 1]. */
export function invert(m: Matrix): Matrix {
  const [a, b, c, d, e, f, g, h, i] = m;
  const cofactors = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f];
  cofactors.push(d * h - e * g, b * g - a * h, a * e - b * d);
  const determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6];
  return cofactors.map((v) => v / determinant);
}

/**
 * Moves boxes, cuts them to the result and drops those of which too little is left.
 * @param boxesPx [M, 5] class xyxy, pixels of the source
 * @param scale the draw's scale: how much a box was to grow, against which the loss of area is measured
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
