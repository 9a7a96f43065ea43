import { describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { assign, costMatrix } from '../../src/track/assignment.js';

/** The smallest total over all partial assignments, where each pair saves what it costs less than the limit. */
function bruteForce(costs: number[][], limit: number, row = 0, taken = new Set<number>()): number {
  if (row === costs.length) return 0;
  let best = bruteForce(costs, limit, row + 1, taken);
  costs[row].forEach((cost, col) => {
    if (taken.has(col) || cost >= limit) return;
    best = Math.min(best, cost - limit + bruteForce(costs, limit, row + 1, new Set([...taken, col])));
  });
  return best;
}

describe('assign', () => {
  const shapes = [0, 1, 2, 3, 4, 5].flatMap((rows) => [0, 1, 3, 5, 6].map((cols) => [rows, cols] as const));
  it.each(shapes)('%i rows, %i columns: as good as the best of all assignments', (rows, cols) => {
    for (let trial = 0; trial < 30; trial++) {
      const random = rng(rows, cols, trial);
      // Coarse costs have ties.
      const costs = Array.from({ length: rows }, () =>
        Array.from({ length: cols }, () => (trial % 2 ? random.int(5) / 4 : random.next())),
      );
      const limit = [0.3, 0.8, 2][trial % 3];
      const columns = assign(
        costMatrix(rows, cols, (i, j) => costs[i][j]),
        limit,
      );
      const pairs = [...columns].flatMap((j, i) => (j < 0 ? [] : [[i, j]]));
      expect(new Set(pairs.map(([, j]) => j)).size).toBe(pairs.length);
      for (const [i, j] of pairs) expect(costs[i][j]).toBeLessThan(limit);
      const total = pairs.reduce((sum, [i, j]) => sum + costs[i][j] - limit, 0);
      expect(total).toBeCloseTo(bruteForce(costs, limit), 10);
    }
  });

  it('300 rows and columns of a known best assignment', () => {
    const columns = assign(
      costMatrix(300, 300, (i, j) => Math.abs(((i + 7) % 300) - j) / 300),
      0.5,
    );
    expect([...columns]).toEqual(Array.from({ length: 300 }, (_, i) => (i + 7) % 300));
  });
});
