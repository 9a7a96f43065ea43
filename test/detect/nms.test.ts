import { describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { detectionsOf, toDetections } from '../../src/detect/detections.js';
import { type NmsOptions, nonMaxSuppression } from '../../src/detect/nms.js';
import { expectClose } from '../helpers/close.js';
import { golden, pick } from '../helpers/golden.js';

describe('NMS agrees with the reference (golden/nms), rows and order', () => {
  const g = golden('nms');
  const prediction = pick(g, 'prediction');
  const [B, rows, A] = prediction.shape;
  for (const [name, c] of Object.entries<Record<string, never>>(g.meta.cases)) {
    for (let b = 0; b < B; b++) {
      it(`golden ${name}, image ${b} of ${B}: ${JSON.stringify(c)}`, () => {
        const options: NmsOptions = {
          conf: c.conf_thres,
          iou: c.iou_thres,
          multiLabel: c.multi_label,
          agnostic: c.agnostic,
          classes: c.classes,
          maxDet: c.max_det,
        };
        const output = { data: prediction.data as Float32Array, shape: [B, rows, A] as [number, number, number] };
        const got = detectionsOf(output, b, options);
        const want = pick(g, `${name}.${b}`);
        expectClose(
          { shape: [got.length / 6, 6], data: got },
          { shape: want.shape, data: want.data as Float32Array },
          {
            rtol: 1e-5,
            relativeTo: 'each',
            atol: 1e-5,
          },
        );
      });
    }
  }
});

/** The definition, word for word, in quadratic time. */
function slowNms(p: Float32Array, A: number, o: NmsOptions): number[][] {
  const K = p.length / A - 4;
  const all: number[][] = [];
  for (let a = 0; a < A; a++) {
    for (let k = 0; k < K; k++) {
      if (p[(4 + k) * A + a] <= o.conf) continue;
      const [x, y, w, h] = [p[a], p[A + a], p[2 * A + a], p[3 * A + a]];
      all.push([x - w / 2, y - h / 2, x + w / 2, y + h / 2, p[(4 + k) * A + a], k]);
    }
  }
  all.sort((i, j) => j[4] - i[4]);
  const kept: number[][] = [];
  for (const c of all) {
    const hit = kept.some((d) => {
      if (d[5] !== c[5]) return false;
      const w = Math.max(0, Math.min(c[2], d[2]) - Math.max(c[0], d[0]));
      const h = Math.max(0, Math.min(c[3], d[3]) - Math.max(c[1], d[1]));
      const area = (b: number[]): number => (b[2] - b[0]) * (b[3] - b[1]);
      return (w * h) / (area(c) + area(d) - w * h) > o.iou;
    });
    if (!hit && kept.length < (o.maxDet ?? 300)) kept.push(c);
  }
  return kept;
}

function randomPrediction(A: number, K: number, seed: number): Float32Array {
  const random = rng(seed);
  const p = new Float32Array((4 + K) * A);
  for (let a = 0; a < A; a++) {
    p[a] = random.uniform(0, 200);
    p[A + a] = random.uniform(0, 200);
    p[2 * A + a] = random.uniform(20, 90);
    p[3 * A + a] = random.uniform(20, 90);
    for (let k = 0; k < K; k++) p[(4 + k) * A + a] = random.next() ** 3;
  }
  return p;
}

describe('nonMaxSuppression', () => {
  for (const [A, K, iou] of [
    [300, 5, 0.7],
    [500, 1, 0.45],
    [200, 40, 0.3],
  ]) {
    it(`does what the definition says, A=${A} K=${K} iou=${iou}`, () => {
      const p = randomPrediction(A, K, A + K);
      const got = nonMaxSuppression(p, A, { conf: 0.05, iou, multiLabel: true, maxDet: 250 });
      const want = slowNms(p, A, { conf: 0.05, iou, maxDet: 250 });
      expectClose(
        { shape: [got.length / 6, 6], data: got },
        { shape: [want.length, 6], data: want.flat() },
        { atol: 1e-4 },
      );
    });
  }

  it('sorts the same way when score and place do not fit into one number', () => {
    // Two anchors far apart in a very wide score table: anchor · K + class goes over 2^23.
    const [A, K] = [900, 12_000];
    const p = new Float32Array((4 + K) * A);
    for (const [a, k, s] of [
      [0, 0, 1e-30],
      [899, 11_999, 0.9],
      [450, 7, 0.9],
      [10, 3, 0.5],
    ]) {
      p[a] = a * 100;
      p[2 * A + a] = 10;
      p[3 * A + a] = 10;
      p[(4 + k) * A + a] = s;
    }
    const got = nonMaxSuppression(p, A, { conf: 0, iou: 0.5 });
    expect([5, 11, 17, 23].map((i) => got[i])).toEqual([7, 11_999, 3, 0]);
  });

  it('gives nothing for nothing, for NaN scores, and for maxDet 0', () => {
    const p = randomPrediction(50, 3, 1);
    expect(nonMaxSuppression(new Float32Array(7 * 50), 50, { conf: 0.25, iou: 0.7 }).length).toBe(0);
    expect(nonMaxSuppression(p, 50, { conf: 0.01, iou: 0.7, maxDet: 0 }).length).toBe(0);
    p.fill(Number.NaN, 4 * 50);
    expect(nonMaxSuppression(p, 50, { conf: 0.25, iou: 0.7 }).length).toBe(0);
  });

  it('maxCandidates drops the least certain', () => {
    const p = randomPrediction(100, 2, 3);
    const all = nonMaxSuppression(p, 100, { conf: 0.001, iou: 1, multiLabel: true });
    const few = nonMaxSuppression(p, 100, { conf: 0.001, iou: 1, multiLabel: true, maxCandidates: 9 });
    expect([...few]).toEqual([...all.subarray(0, 9 * 6)]);
  });
});

describe('rows of a model that suppresses by itself', () => {
  it('are filtered by confidence and class, sorted and cut', () => {
    const rows = Float32Array.from([0, 0, 1, 1, 0.3, 1, 0, 0, 2, 2, 0.9, 0, 0, 0, 3, 3, 0.6, 1, 0, 0, 0, 0, 0, 0]);
    const output = { data: rows, shape: [1, 4, 6] as [number, number, number] };
    const got = detectionsOf(output, 0, { conf: 0.25, iou: 0.7, classes: [1], maxDet: 5 }, true);
    expect(toDetections(got, ['a', 'b']).map((d) => [d.name, d.box[2]])).toEqual([
      ['b', 3],
      ['b', 1],
    ]);
    expect(detectionsOf(output, 0, { conf: 0.25, iou: 0.7, maxDet: 1 }, true).length).toBe(6);
  });
});
