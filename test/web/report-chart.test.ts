import { describe, expect, it } from 'vitest';
import { bounds, createView, nearest, ticks } from '../../web/report/chart.js';
import { compare } from '../../web/report/table.js';

describe('charts of the report', () => {
  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0, 60, 3, [0, 20, 40, 60]],
    [0.0003, 0.0007, 5, [0.0003, 0.0004, 0.0005, 0.0006, 0.0007]],
    [-3, 7, 2, [0, 5]],
    [4, 4, 5, [4]],
  ])('ticks from %s to %s, about %s', (low, high, about, want) => expect(ticks(low, high, about)).toEqual(want));

  it('bounds leave air, stay over zero where all values do, and see only what is shown', () => {
    const series = [{ name: 'a', values: [1, null, 3, 100] }];
    const x = () => [0, 1, 2, 3];
    expect(bounds(series, x, 0, 2)).toEqual([0.88, 3.12]);
    expect(bounds([{ name: 'a', values: [0.01, 10] }], () => [0, 1], 0, 1)[0]).toBe(0);
    expect(bounds([{ name: 'a', values: [null] }], () => [0], 0, 1)).toEqual([0, 1]);
  });

  it('nearest', () => {
    expect(nearest([1, 2, 10], 5)).toBe(1);
    expect(nearest([1, 2, 10], 7)).toBe(2);
  });

  it('zoom stays inside, and too small a range shows everything', () => {
    const view = createView('test', [1, 2, 3, 4, 5]);
    view.zoom(4, -3);
    expect(view.shown()).toEqual([1, 4]);
    view.scale(0.5);
    expect(view.shown()).toEqual([1.75, 3.25]);
    view.zoom(2, 2.5);
    expect(view.shown()).toEqual([1, 5]);
  });

  it('compares numbers by size, names by letter', () => {
    expect(['10', '9', '0.5'].sort(compare)).toEqual(['0.5', '9', '10']);
    expect(['dog', 'cat'].sort(compare)).toEqual(['cat', 'dog']);
  });
});
