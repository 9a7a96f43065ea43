import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_KINDS, errorCosts, typeErrors } from '../../src/metrics/errors.js';

const labels = (...rows: number[][]): Float32Array => new Float32Array(rows.flat());
const found = (...rows: number[][]): Float32Array => new Float32Array(rows.flat());
const kindsOf = (d: Float32Array, l: Float32Array): string[] =>
  [...typeErrors(d, l).kind].map((kind) => (kind < 0 ? 'hit' : ERROR_KINDS[kind]));

describe('typeErrors', () => {
  const truth = labels([0, 0, 0, 100, 100], [1, 200, 200, 300, 300]);

  it.each([
    ['hit', [0, 0, 100, 95, 0.9, 0]],
    ['localisation', [0, 0, 100, 40, 0.9, 0]],
    ['wrong class', [0, 0, 100, 95, 0.9, 1]],
    ['background', [400, 400, 500, 500, 0.9, 0]],
    ['background', [0, 0, 100, 30, 0.9, 1]], // TIDE's "both"
  ])('calls it %s: %j', (kind, row) => {
    expect(kindsOf(found(row), truth)).toEqual([kind]);
  });

  it('calls the less sure of two good boxes a duplicate', () => {
    expect(kindsOf(found([0, 0, 100, 95, 0.9, 0], [0, 0, 100, 100, 0.8, 0]), truth)).toEqual(['hit', 'duplicate']);
  });

  it('counts as missed only what no mistake explains', () => {
    expect(typeErrors(found(), truth).missed).toEqual([0, 1]);
    expect(typeErrors(found([0, 0, 100, 40, 0.9, 0]), truth).missed).toEqual([1]);
    expect(typeErrors(found([200, 200, 300, 300, 0.9, 0]), truth).missed).toEqual([0]);
    expect(typeErrors(found([400, 400, 500, 500, 0.9, 0]), truth).missed).toEqual([0, 1]);
  });
});

describe('errorCosts', () => {
  const cost = (d: Float32Array, l: Float32Array) => {
    const costs = errorCosts(2);
    costs.add(d, l);
    return costs.finish();
  };
  const truth = labels([0, 0, 0, 100, 100], [0, 200, 200, 300, 300]);
  const hit = [0, 0, 100, 100, 0.5, 0];

  it('is nothing for a perfect image', () => {
    const all = cost(found(hit, [200, 200, 300, 300, 0.4, 0]), truth);
    expect(Object.values(all)).toEqual([0, 0, 0, 0, 0]);
  });

  it.each([
    ['localisation', [200, 200, 300, 240, 0.9, 0]],
    ['wrong class', [200, 200, 300, 300, 0.9, 1]],
    ['background', [400, 400, 500, 500, 0.9, 0]],
    ['duplicate', [2, 0, 100, 100, 0.45, 0], [200, 200, 300, 300, 0.4, 0]],
    ['missed'],
  ] as [string, ...number[][]][])('charges a mistake to %s', (kind, ...rows) => {
    const all = cost(found(...[hit, ...rows].sort((a, b) => b[4] - a[4])), truth);
    expect(all[kind as 'missed']).toBeGreaterThan(0.1);
    for (const other of ERROR_KINDS) {
      if (other !== kind && other !== 'missed') expect(all[other], other).toBe(0);
    }
  });
});

describe("against TIDE's own program on made-up detections", () => {
  const recorded = JSON.parse(readFileSync(new URL('../fixtures/tide.json', import.meta.url), 'utf8'));
  const images = (recorded.detections as number[][][]).map(
    (rows, i) => [found(...rows), labels(...recorded.labels[i])] as const,
  );

  it('finds as many mistakes of each kind', () => {
    const counts = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0]));
    for (const [d, l] of images) {
      const { kind, missed } = typeErrors(d, l);
      for (const k of kind) if (k >= 0) counts[ERROR_KINDS[k]]++;
      counts.missed += missed.length;
    }
    expect(counts).toEqual(recorded.counts);
  });

  it('which cost as much; its AP is a sum over 101 points where ours is an area, so not to the last digit', () => {
    const costs = errorCosts(3);
    for (const [d, l] of images) costs.add(d, l);
    const got = costs.finish();
    for (const kind of ERROR_KINDS) expect(Math.abs(got[kind] - recorded.costs[kind]), kind).toBeLessThan(0.005);
  });
});
