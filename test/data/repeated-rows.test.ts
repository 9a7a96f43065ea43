import { describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { repeatedRows } from '../../src/data/repeated-rows.js';

function iou([, ax, ay, aw, ah]: number[], [, bx, by, bw, bh]: number[]): number {
  const w = Math.min(ax + aw / 2, bx + bw / 2) - Math.max(ax - aw / 2, bx - bw / 2);
  const h = Math.min(ay + ah / 2, by + bh / 2) - Math.max(ay - ah / 2, by - bh / 2);
  return w > 0 && h > 0 ? (w * h) / (aw * ah + bw * bh - w * h) : 0;
}

/** Rows that repeat an earlier one which repeats none, every pair looked at. */
function byAllPairs(rows: number[][]): number[] {
  const kept: number[][] = [];
  return rows.flatMap((row, i) => {
    if (kept.some((other) => other[0] === row[0] && iou(other, row) > 0.95)) return [i];
    kept.push(row);
    return [];
  });
}

describe('repeatedRows', () => {
  it.each([
    ['in general places', 0, 0.3],
    ['tiny', 0, 1e-6],
    ['with sides about powers of two', 2, 0.3],
  ])('finds what comparing all pairs finds: boxes %s', (_, power, scale) => {
    const random = rng(power, scale * 1e7);
    const near = (x: number, part: number): number => x + random.uniform(-part, part);
    const rows: number[][] = [];
    for (let n = 0; n < 300; n++) {
      const side = (): number => (power ? near(2 ** -(1 + random.int(6)), 0.003) : random.uniform(0.02, 1)) * scale;
      const [w, h] = [side(), side()];
      const row = [random.int(2), random.uniform(0.2, 0.8), random.uniform(0.2, 0.8), w, h];
      rows.push(row);
      for (let k = random.int(3); k > 0; k--) {
        const [id, x, y] = row;
        const part = random.uniform(0, 0.06);
        rows.push([id, near(x, w * part), near(y, h * part), near(w, w * part), near(h, h * part)]);
      }
    }
    const stored = rows.map((row) => [...new Float32Array(row)]);
    const expected = byAllPairs(stored);
    const found = repeatedRows(new Float32Array(stored.flat()));
    expect(found.map(([, later]) => later)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(50);
    for (const [earlier, later] of found) expect(iou(stored[earlier], stored[later])).toBeGreaterThan(0.95);
  });
});
