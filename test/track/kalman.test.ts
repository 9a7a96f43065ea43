import { describe, expect, it } from 'vitest';
import type { Box } from '../../src/core/types.js';
import { BoxFilter } from '../../src/track/kalman.js';

const moved = ([x1, y1, x2, y2]: Box, dx: number, dy: number): Box => [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
const start: Box = [10, 20, 50, 100];

function expectNear(got: Box, want: Box, tolerance: number): void {
  for (const [i, x] of got.entries())
    expect(Math.abs(x - want[i]), `${got} and ${want}`).toBeLessThanOrEqual(tolerance);
}

describe('the filter of a box', () => {
  it('begins with the box as measured, at rest', () => {
    const filter = new BoxFilter(start);
    expectNear(filter.box, start, 1e-9);
    filter.predict();
    expectNear(filter.box, start, 1e-9);
  });

  it('learns a constant velocity and goes on with it unseen', () => {
    const filter = new BoxFilter(start);
    for (let t = 1; t <= 60; t++) {
      filter.predict();
      filter.update(moved(start, 3 * t, -2 * t));
    }
    for (let t = 61; t <= 70; t++) filter.predict();
    expectNear(filter.box, moved(start, 210, -140), 0.5);
  });

  it('lies between prediction and measurement, ever closer to the prediction', () => {
    const filter = new BoxFilter(start);
    const gains: number[] = [];
    for (let t = 0; t < 40; t++) {
      filter.predict();
      const [before] = filter.box;
      filter.update(moved(filter.box, 8, 0));
      gains.push((filter.box[0] - before) / 8);
    }
    for (const gain of gains) expect(gain > 0 && gain < 1).toBe(true);
    expect(gains.at(-1)).toBeLessThan(gains[0]);
  });

  it('moves as one of any other size does: noise is in proportion to the height', () => {
    const scaled = (box: Box, by: number) => box.map((x) => x * by) as Box;
    const [small, large] = [new BoxFilter(start), new BoxFilter(scaled(start, 10))];
    for (let t = 1; t <= 20; t++) {
      const box: Box = [10 + 2 * t, 20, 50 + 3 * t, 100 + t];
      for (const filter of [small, large]) filter.predict();
      small.update(box);
      large.update(scaled(box, 10));
    }
    expectNear(large.box, scaled(small.box, 10), 1e-6);
  });

  it('keeps the height when asked to, though it was growing', () => {
    const filter = new BoxFilter(start);
    for (let t = 1; t <= 20; t++) {
      filter.predict();
      filter.update([10, 20, 50, 100 + 4 * t]);
    }
    const height = ([, y1, , y2]: Box): number => y2 - y1;
    const before = height(filter.box);
    filter.predict(true);
    expect(height(filter.box)).toBeCloseTo(before, 9);
    filter.predict();
    expect(height(filter.box)).toBeCloseTo(before, 9);
  });
});
