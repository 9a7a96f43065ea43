/**
 * Counting of tracked objects in zones: objects inside a polygon in each frame, crossings of a line. The position of an object
 * is the middle of the bottom side of its box.
 */
import { bottomCenter, type Size } from '../core/boxes.js';
import type { Point } from '../core/types.js';
import type { Tracked } from './byte-tracker.js';

/** A polygon or a line. */
export interface Zone {
  name: string;
  type: 'polygon' | 'line';
  /** At least three of a polygon, two of a line. */
  points: readonly Point[];
  /** Unit of the points: pixels, or fractions of the image's width and height. */
  unit: 'pixel' | 'fraction';
}

/** Objects inside a polygon in one frame. */
export interface PolygonCount {
  name: string;
  type: 'polygon';
  inside: number;
  /** Ids of their tracks. */
  ids: number[];
}

/**
 * Crossings of a line since the start of the video. Seen from the first point of the line to the second, crossings to the
 * right side count as `in`, to the left side as `out`; each track counts at most once in each direction.
 */
export interface LineCount {
  name: string;
  type: 'line';
  in: number;
  out: number;
}

export type ZoneCount = PolygonCount | LineCount;

/** State of a track. */
interface TrackState {
  /** Position in the last frame in which it was detected, pixels. */
  at: Point;
  /** Crossings that were counted: `in 0` is line 0, inwards. */
  counted: Set<string>;
}

/** Counter for one video. */
export class ZoneCounter {
  /** By track id. */
  private readonly tracks = new Map<number, TrackState>();
  private readonly crossings: { in: number; out: number }[];

  constructor(private readonly zones: readonly Zone[]) {
    this.crossings = zones.map(() => ({ in: 0, out: 0 }));
  }

  /**
   * @param objects of the next frame
   * @param alive ids of the tracks that can be detected again; the state of all others is removed
   * @param image its size, pixels
   * @returns the count of each zone
   */
  update(objects: readonly Tracked[], alive: ReadonlySet<number>, image: Size): ZoneCount[] {
    for (const id of this.tracks.keys()) if (!alive.has(id)) this.tracks.delete(id);
    const counts = this.zones.map((zone, i): ZoneCount => {
      const points = pointsPx(zone, image);
      if (zone.type === 'line') return { name: zone.name, type: 'line', ...this.cross(i, points, objects) };
      const ids = objects.filter(({ box }) => isInside(bottomCenter(box), points)).map(({ id }) => id);
      return { name: zone.name, type: 'polygon', inside: ids.length, ids };
    });
    for (const { id, box } of objects) {
      const counted = this.tracks.get(id)?.counted ?? new Set();
      this.tracks.set(id, { at: bottomCenter(box), counted });
    }
    return counts;
  }

  /** Counts the crossings of a line since the previous frame. @returns all crossings so far */
  private cross(line: number, points: readonly Point[], objects: readonly Tracked[]): { in: number; out: number } {
    const crossings = this.crossings[line];
    for (const { id, box } of objects) {
      const track = this.tracks.get(id);
      const direction = track && directionAcross(points, track.at, bottomCenter(box));
      if (!direction || track.counted.has(`${direction} ${line}`)) continue;
      track.counted.add(`${direction} ${line}`);
      crossings[direction]++;
    }
    return { ...crossings };
  }
}

/** @param image its size @returns the points of a zone in pixels */
export function pointsPx({ points, unit }: Zone, { width, height }: Size): Point[] {
  const [scaleX, scaleY] = unit === 'fraction' ? [width, height] : [1, 1];
  return points.map(([x, y]) => [x * scaleX, y * scaleY]);
}

/** Whether a point is inside a polygon or on its border, by the even-odd rule. */
export function isInside([x, y]: Point, polygon: readonly Point[]): boolean {
  let inside = false;
  for (let i = 0; i < polygon.length; i++) {
    const [a, b] = [polygon[i], polygon[(i + 1) % polygon.length]];
    if (isOn([x, y], a, b)) return true;
    // An edge includes its upper end and excludes its lower end, so that a corner is counted once.
    if (a[1] > y !== b[1] > y && x < a[0] + ((y - a[1]) / (b[1] - a[1])) * (b[0] - a[0])) inside = !inside;
  }
  return inside;
}

function isOn(p: Point, a: Point, b: Point): boolean {
  const between = (i: 0 | 1): boolean => Math.min(a[i], b[i]) <= p[i] && p[i] <= Math.max(a[i], b[i]);
  return sideOf(a, b, p) === 0 && between(0) && between(1);
}

/**
 * Direction in which a movement crosses a line; undefined if it does not. Points on the line belong to its right side, so that
 * an object that stops there is counted once.
 */
function directionAcross([a, b]: readonly Point[], from: Point, to: Point): 'in' | 'out' | undefined {
  const [before, after] = [sideOf(a, b, from) >= 0, sideOf(a, b, to) >= 0];
  if (before === after || sideOf(from, to, a) >= 0 === sideOf(from, to, b) >= 0) return undefined;
  return after ? 'in' : 'out';
}

/** Positive: p is on the right, seen along the line from a to b (y points down); 0: on the line. */
function sideOf(a: Point, b: Point, p: Point): number {
  return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
}
