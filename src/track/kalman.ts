/**
 * Kalman filter of a box: constant velocity of centre, aspect ratio and height, with noise proportional to the height (N.
 * Wojke, A. Bewley and D. Paulus, "Simple Online and Realtime Tracking with a Deep Association Metric", 2017, used by
 * ByteTrack). Each coordinate is correlated only with its own velocity, so that the eight-dimensional filter of the paper
 * separates into four filters of two dimensions, which are computed here without matrices.
 */
import { xywhToXyxy, xyxyToXywh } from '../core/boxes.js';
import type { Box } from '../core/types.js';

/** Standard deviations of the paper's code: of position and velocity in box heights; of the aspect ratio absolute. */
const POSITION = 1 / 20;
const VELOCITY = 1 / 160;
const ASPECT = 1e-2;
const ASPECT_VELOCITY = 1e-5;
const MEASURED_ASPECT = 1e-1;

/** Indices of aspect ratio and height in the state cx, cy, aspect ratio, height. */
const A = 2;
const H = 3;

/** A coordinate, its velocity per frame, and their covariance. */
interface Coordinate {
  x: number;
  v: number;
  xx: number;
  xv: number;
  vv: number;
}

/** Estimate of a moving box. */
export class BoxFilter {
  private readonly state: Coordinate[];

  /** @param box first measurement, xyxy, pixels */
  constructor(box: Box) {
    const measured = toMeasurement(box);
    const h = measured[H];
    this.state = measured.map((x, i) => {
      const xx = (i === A ? ASPECT : 2 * POSITION * h) ** 2;
      const vv = (i === A ? ASPECT_VELOCITY : 10 * VELOCITY * h) ** 2;
      return { x, v: 0, xx, xv: 0, vv };
    });
  }

  /** Current estimate, xyxy, pixels. */
  get box(): Box {
    const [cx, cy, a, h] = this.state.map(({ x }) => x);
    return xywhToXyxy([cx, cy, a * h, h]);
  }

  /**
   * Prediction step: advances the estimate by one frame.
   * @param keepHeight sets the velocity of the height to 0, for objects that are not detected: otherwise they would grow or
   *   shrink without limit
   */
  predict(keepHeight = false): void {
    if (keepHeight) this.state[H].v = 0;
    const h = this.state[H].x;
    this.state.forEach((s, i) => {
      s.x += s.v;
      s.xx += 2 * s.xv + s.vv + (i === A ? ASPECT : POSITION * h) ** 2;
      s.xv += s.vv;
      s.vv += (i === A ? ASPECT_VELOCITY : VELOCITY * h) ** 2;
    });
  }

  /** Correction step. @param box measurement, xyxy, pixels */
  update(box: Box): void {
    const measured = toMeasurement(box);
    const h = this.state[H].x;
    this.state.forEach((s, i) => {
      const variance = s.xx + (i === A ? MEASURED_ASPECT : POSITION * h) ** 2;
      const [gainX, gainV] = [s.xx / variance, s.xv / variance];
      const innovation = measured[i] - s.x;
      s.x += gainX * innovation;
      s.v += gainV * innovation;
      s.vv -= gainV * s.xv;
      s.xv -= gainX * s.xv;
      s.xx -= gainX * s.xx;
    });
  }
}

/** @returns cx, cy, aspect ratio, height */
function toMeasurement(box: Box): number[] {
  const [cx, cy, w, h] = xyxyToXywh(box);
  return [cx, cy, w / h, h];
}
