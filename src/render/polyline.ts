/** Lines drawn directly into the pixels of an image: trails of tracks, borders of zones. */
import type { Point, RgbImage } from '../core/types.js';
import type { Rgb } from './palette.js';

/** A line through points, in pixels of the image. */
export interface Polyline {
  points: readonly Point[];
  color: Rgb;
  /** Connects the last point with the first. Default: false. */
  closed?: boolean;
  /** Text at the first point. */
  label?: string;
}

/** Draws a line, clipped to the image. @param width of the line, pixels */
export function strokePolyline(image: RgbImage, { points, color, closed }: Polyline, width: number): void {
  const last = closed ? points.length : points.length - 1;
  for (let i = 0; i < last; i++) strokeSegment(image, points[i], points[(i + 1) % points.length], width, color);
}

/** Sets every pixel whose centre is at most half the width away from the segment. */
function strokeSegment(image: RgbImage, [x1, y1]: Point, [x2, y2]: Point, width: number, color: Rgb): void {
  const reach = width / 2;
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length2 = dx * dx + dy * dy;
  const [top, bottom] = within(Math.min(y1, y2) - reach, Math.max(y1, y2) + reach, image.height);
  for (let y = top; y < bottom; y++) {
    // Only the part of the segment near this row can cover its pixels.
    const [ta, tb] = dy === 0 ? [0, 1] : [clamp((y - reach - y1) / dy), clamp((y + 1 + reach - y1) / dy)];
    const [xa, xb] = [x1 + ta * dx, x1 + tb * dx];
    const [left, right] = within(Math.min(xa, xb) - reach, Math.max(xa, xb) + reach, image.width);
    for (let x = left; x < right; x++) {
      const [px, py] = [x + 0.5 - x1, y + 0.5 - y1];
      const t = length2 === 0 ? 0 : clamp((px * dx + py * dy) / length2);
      if ((px - t * dx) ** 2 + (py - t * dy) ** 2 > reach * reach) continue;
      image.data.set(color, (y * image.width + x) * 3);
    }
  }
}

function clamp(t: number): number {
  return Math.min(Math.max(t, 0), 1);
}

/** Range of pixels between two positions, within the image. */
function within(from: number, to: number, size: number): [from: number, to: number] {
  return [Math.max(0, Math.floor(from)), Math.min(size, Math.ceil(to))];
}
