import { describe, expect, it } from 'vitest';
import { grouped, roundRange, tickLabels, ticksBetween } from '../../../src/render/charts/ticks.js';

describe('ticks', () => {
  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0, 100, 5, [0, 20, 40, 60, 80, 100]],
    [1, 40, 5, [10, 20, 30, 40]],
    [-0.3, 0.3, 6, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]],
  ])('between %d and %d, about %d of them', (low, high, count, want) => {
    const ticks = ticksBetween(low, high, count);
    expect(ticks).toHaveLength(want.length);
    ticks.forEach((tick, i) => {
      expect(tick).toBeCloseTo(want[i], 10);
    });
  });

  it('of what is counted are whole numbers', () => {
    expect(ticksBetween(1, 2, 5, true)).toEqual([1, 2]);
    expect(ticksBetween(0, 3, 10, true)).toEqual([0, 1, 2, 3]);
  });

  it('have labels with as many decimals as they need, all the same', () => {
    expect(tickLabels([0, 0.25, 0.5])).toEqual(['0.00', '0.25', '0.50']);
    expect(tickLabels([1.205, 1.21, 1.215])).toEqual(['1.205', '1.210', '1.215']);
    expect(tickLabels([0, 0.2, 0.4, 0.6])).toEqual(['0.0', '0.2', '0.4', '0.6']);
    expect(tickLabels([0, 5000, 10000])).toEqual(['0', '5,000', '10,000']);
    expect(grouped('1234567.25')).toBe('1,234,567.25');
  });
});

describe('roundRange', () => {
  it('holds all values, between ticks', () => {
    const [low, high] = roundRange([0.13, 2.87], 5);
    expect(low).toBeLessThanOrEqual(0.13);
    expect(high).toBeGreaterThanOrEqual(2.87);
    expect([low, high]).toEqual([0, 3]);
  });

  it('leaves out what is not finite; one value, or none, still makes a range', () => {
    expect(roundRange([1, Number.NaN, 3, Number.POSITIVE_INFINITY], 2)).toEqual([1, 3]);
    const [low, high] = roundRange([2]);
    expect(low).toBeLessThan(2);
    expect(high).toBeGreaterThan(2);
    expect(roundRange([])).toEqual([0, 1]);
    expect(roundRange([0, 0])[1]).toBeGreaterThan(0);
  });
});
