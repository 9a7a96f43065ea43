import { describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import type { Point } from '../../src/core/types.js';
import { isInside, type Zone, ZoneCounter } from '../../src/track/zones.js';

const image = { width: 200, height: 100 };

/** An object that stands on this point. */
const standing = (id: number, [x, y]: Point) => ({
  ...{ id, class: 0, name: 'a', confidence: 1 },
  box: [x - 5, y - 20, x + 5, y] as [number, number, number, number],
});

/** The last counts after a walk of some objects: for each frame id → point. */
function walk(zone: Zone, frames: Record<number, Point>[], alive?: (frame: number) => number[]) {
  const counter = new ZoneCounter([zone]);
  return frames.map((objects, f) => {
    const list = Object.entries(objects).map(([id, point]) => standing(Number(id), point));
    const ids = alive ? alive(f) : frames.flatMap((all) => Object.keys(all).map(Number));
    return counter.update(list, new Set(ids), image)[0];
  });
}

const line = (points: Point[], unit: Zone['unit'] = 'pixel'): Zone => ({ name: 'gate', type: 'line', points, unit });
/** From left to right across the image, at half its height. */
const across = line([
  [0, 50],
  [200, 50],
]);
const path = (...points: Point[]) => points.map((point) => ({ 1: point }));

describe('lines', () => {
  it.each<[string, Zone, Point[], { in: number; out: number }]>([
    [
      'down: in',
      across,
      [
        [20, 40],
        [22, 60],
      ],
      { in: 1, out: 0 },
    ],
    [
      'up: out',
      across,
      [
        [20, 60],
        [22, 40],
      ],
      { in: 0, out: 1 },
    ],
    [
      'turned round: the other way',
      line([
        [200, 50],
        [0, 50],
      ]),
      [
        [20, 40],
        [22, 60],
      ],
      { in: 0, out: 1 },
    ],
    [
      'fractions',
      line(
        [
          [0, 0.5],
          [1, 0.5],
        ],
        'fraction',
      ),
      [
        [20, 40],
        [22, 60],
      ],
      { in: 1, out: 0 },
    ],
    [
      'beside its end',
      line([
        [100, 50],
        [200, 50],
      ]),
      [
        [20, 40],
        [22, 60],
      ],
      { in: 0, out: 0 },
    ],
    [
      'along it',
      across,
      [
        [20, 40],
        [180, 40],
      ],
      { in: 0, out: 0 },
    ],
    [
      'begun beyond it',
      across,
      [
        [20, 60],
        [22, 70],
      ],
      { in: 0, out: 0 },
    ],
    [
      'a stop on it counts once',
      across,
      [
        [20, 40],
        [21, 50],
        [22, 50],
        [23, 60],
      ],
      { in: 1, out: 0 },
    ],
    [
      'to and fro: once in each direction',
      across,
      [
        [20, 40],
        [20, 60],
        [20, 40],
        [20, 60],
        [20, 40],
      ],
      { in: 1, out: 1 },
    ],
    [
      'aslant',
      line([
        [50, 0],
        [150, 100],
      ]),
      [
        [150, 30],
        [60, 70],
      ],
      { in: 1, out: 0 },
    ],
  ])('%s', (_, zone, points, counts) => {
    expect(walk(zone, path(...points)).at(-1)).toEqual({ name: 'gate', type: 'line', ...counts });
  });

  it('counts each track, also over frames in which it was not seen, and keeps the sum', () => {
    const frames = [{ 1: [20, 40], 2: [80, 40] }, { 2: [80, 60] }, {}, { 1: [25, 60], 3: [90, 70] }, { 3: [90, 30] }];
    expect(walk(across, frames as Record<number, Point>[])).toMatchObject([
      { in: 0, out: 0 },
      { in: 1, out: 0 },
      { in: 1, out: 0 },
      { in: 2, out: 0 },
      { in: 2, out: 1 },
    ]);
  });

  it('forgets tracks that have ended', () => {
    const frames = path([20, 40], [20, 60]);
    expect(walk(across, [frames[0], {}, frames[1]], (f) => (f === 1 ? [] : [1])).at(-1)).toMatchObject({ in: 0 });
  });
});

describe('polygons', () => {
  const half: Zone = {
    name: 'low',
    type: 'polygon',
    points: [
      [0, 0.5],
      [1, 0.5],
      [1, 1],
      [0, 1],
    ],
    unit: 'fraction',
  };

  it('hold who stands in them, on their border, at the border of the image', () => {
    const objects: Record<number, Point> = { 1: [20, 40], 2: [20, 50], 3: [20, 70], 4: [199, 100], 5: [250, 70] };
    expect(walk(half, [objects])).toEqual([{ name: 'low', type: 'polygon', inside: 3, ids: [2, 3, 4] }]);
  });

  it('of any shape and direction: the same as the winding of angles around the point', () => {
    const random = rng(7);
    for (let trial = 0; trial < 50; trial++) {
      // Points at growing angles around a centre: no two borders cross.
      const angles = Array.from({ length: 3 + random.int(6) }, () => random.next() * 2 * Math.PI).sort((a, b) => a - b);
      const polygon = angles.map((a): Point => {
        const r = 5 + 40 * random.next();
        return [50 + r * Math.cos(a), 50 + r * Math.sin(a)];
      });
      if (trial % 2) polygon.reverse();
      for (let n = 0; n < 50; n++) {
        const p: Point = [100 * random.next(), 100 * random.next()];
        const turns = polygon.map(([x, y]) => Math.atan2(y - p[1], x - p[0]));
        const turned = turns.reduce((sum, a, i) => {
          const d = turns[(i + 1) % turns.length] - a;
          return sum + d - 2 * Math.PI * Math.round(d / (2 * Math.PI));
        }, 0);
        expect(isInside(p, polygon)).toBe(Math.abs(turned) > Math.PI);
      }
    }
  });
});
