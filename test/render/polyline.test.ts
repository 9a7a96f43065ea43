import { describe, expect, it } from 'vitest';
import type { Point, RgbImage } from '../../src/core/types.js';
import { type Polyline, strokePolyline } from '../../src/render/polyline.js';

const [W, H] = [40, 30];

function draw(line: Omit<Polyline, 'color'>, width: number): RgbImage {
  const image = { data: new Uint8Array(W * H * 3), width: W, height: H };
  strokePolyline(image, { ...line, color: [255, 0, 0] }, width);
  return image;
}

/** Distance of a point to a segment. */
function distance([x, y]: Point, [x1, y1]: Point, [x2, y2]: Point): number {
  const length2 = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const t = length2 && Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length2));
  return Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
}

describe('strokePolyline', () => {
  const cases: [Point[], boolean][] = [
    [[[5, 5]], false],
    [
      [
        [5, 5],
        [30, 5],
      ],
      false,
    ],
    [
      [
        [7, 3],
        [7, 25],
      ],
      false,
    ],
    [
      [
        [2, 20],
        [35, 22],
      ],
      false,
    ],
    [
      [
        [3, 2],
        [20, 28],
        [38, 4],
      ],
      true,
    ],
    [
      [
        [-20, -10],
        [60, 50],
      ],
      false,
    ],
    [
      [
        [10, 10],
        [10, 10],
      ],
      false,
    ],
  ];
  it.each(cases)('%j, closed %s: the pixels that are at most half the width away', (points, closed) => {
    for (const width of [1, 2, 5]) {
      const { data } = draw({ points, closed }, width);
      const segments = points.slice(closed ? 0 : 1).map((_, i) => [points[i], points[(i + 1) % points.length]]);
      for (let p = 0; p < W * H; p++) {
        const at: Point = [(p % W) + 0.5, Math.floor(p / W) + 0.5];
        const away = Math.min(Infinity, ...segments.map(([a, b]) => distance(at, a, b)));
        if (Math.abs(away - width / 2) > 1e-9) expect(data[p * 3], `${at}`).toBe(away < width / 2 ? 255 : 0);
      }
    }
  });
});
