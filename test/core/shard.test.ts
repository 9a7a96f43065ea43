import { describe, expect, it } from 'vitest';
import { parseShard, unitsOf } from '../../src/core/shard.js';

describe('unitsOf', () => {
  it.each([
    [0, 3],
    [1, 7],
    [10, 3],
    [100, 7],
    [5, 5],
  ])('%i units in %i shards: each in one of them, in order, sizes differ by at most one', (units, count) => {
    const ranges = Array.from({ length: count }, (_, i) => unitsOf(units, { index: i + 1, count }));
    const sizes = ranges.map(({ from, to }) => to - from);
    expect(ranges.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, k) => from + k))).toEqual(
      Array.from({ length: units }, (_, k) => k),
    );
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });
});

describe('parseShard', () => {
  it.each(['1/1', '2/3', '7/7', ' 10/100 '])('reads %s', (text) => {
    const [index, count] = text.split('/').map(Number);
    expect(parseShard(text)).toEqual({ index, count });
  });

  it.each(['0/3', '4/3', '1/0', '-1/3', '1', '1/', '1.5/3', '1/3/3', 'a/b', '', '1 / 3'])('refuses %j', (text) => {
    expect(parseShard(text)).toBeUndefined();
  });
});
