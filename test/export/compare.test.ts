import { describe, expect, test } from 'vitest';
import type { InferOutput } from '../../src/detect/detector.js';
import { compareFinal, compareRaw, confidenceFor, FLOAT_TOLERANCE, within } from '../../src/export/verify/compare.js';

/** Predictions of 30 anchors for 2 classes: boxes side by side, anchor 0 certain. */
function output(): InferOutput {
  const data = new Float32Array(6 * 30);
  for (let a = 0; a < 30; a++) {
    const column = [a * 20 + 10, 10, 8, 8, 0.01, a === 0 ? 0.9 : 0.02 + a / 1000];
    for (const [r, value] of column.entries()) data[r * 30 + a] = value;
  }
  return { data, shape: [1, 6, 30] };
}

const limits = { conf: 0.25, iou: 0.7, maxDet: 300, agnostic: false };
const final = (...rows: number[][]): InferOutput => ({
  data: Float32Array.from([...rows, [0, 0, 0, 0, 0, 0]].flat()),
  shape: [1, rows.length + 1, 6],
});

describe('raw outputs', () => {
  test('the same output differs by nothing', () => {
    expect(compareRaw(output(), output())).toEqual({ boxes: 0, scores: 0, max_abs_diff: 0, compared: 20 });
  });

  test('a box, a score or NaN at an anchor that matters is seen, at another it is not', () => {
    const cases: [index: number, by: number, key: 'boxes' | 'scores', seen: boolean][] = [
      [0, 1, 'boxes', true],
      [5 * 30, 0.25, 'scores', true],
      [29, 1, 'boxes', true], // second best
      [3, 1, 'boxes', false], // of the ten least certain
    ];
    for (const [index, by, key, seen] of cases) {
      const changed = output();
      changed.data[index] += by;
      const verification = compareRaw(output(), changed);
      expect(verification[key], `${index}`).toBeCloseTo(seen ? by : 0, 4);
      expect(within(verification, FLOAT_TOLERANCE)).toBe(!seen);
    }
    const nan = output();
    nan.data[0] = Number.NaN;
    expect(within(compareRaw(output(), nan), FLOAT_TOLERANCE)).toBe(false);
  });

  test('another shape is no verification', () => {
    expect(within(compareRaw(output(), { data: new Float32Array(12), shape: [1, 6, 2] }), FLOAT_TOLERANCE)).toBe(false);
  });
});

describe('final rows', () => {
  const compare = (exported: InferOutput) => compareFinal(output(), exported, limits, FLOAT_TOLERANCE);

  test('the same detection, a little moved', () => {
    const verification = compare(final([6, 6, 14.25, 14, 0.9, 1]));
    expect(verification).toMatchObject({ boxes: 0.25, compared: 1 });
    expect(within(verification, FLOAT_TOLERANCE)).toBe(true);
  });

  test('missing, additional, or of another class: no verification', () => {
    for (const rows of [
      [],
      [[6, 6, 14, 14, 0.9, 0]],
      [
        [6, 6, 14, 14, 0.9, 1],
        [100, 6, 114, 14, 0.5, 1],
      ],
    ])
      expect(within(compare(final(...rows)), FLOAT_TOLERANCE)).toBe(false);
  });

  test('a detection at the threshold may fall on either side', () => {
    for (const score of [0.2505, 0.2495]) {
      const original = output();
      original.data[5 * 30 + 5] = score; // anchor 5: 106 6 114 14
      const both = final([6, 6, 14, 14, 0.9, 1], [106, 6, 114, 14, 0.25, 1]);
      for (const exported of [both, final([6, 6, 14, 14, 0.9, 1])])
        expect(within(compareFinal(original, exported, limits, FLOAT_TOLERANCE), FLOAT_TOLERANCE)).toBe(true);
    }
  });

  test('the same object twice: no verification', () => {
    const original = output();
    original.data.set([10.5], 1); // anchor 1 lies half a pixel beside anchor 0
    original.data.set([0.8], 5 * 30 + 1);
    const twice = final([6, 6, 14, 14, 0.9, 1], [6.5, 6, 14.5, 14, 0.8, 1]);
    expect(within(compareFinal(original, twice, limits, FLOAT_TOLERANCE), FLOAT_TOLERANCE)).toBe(false);
    const once = final([6, 6, 14, 14, 0.9, 1]);
    expect(within(compareFinal(original, once, limits, FLOAT_TOLERANCE), FLOAT_TOLERANCE)).toBe(true);
  });

  test('a lower confidence lets the surest twenty anchors through', () => {
    const conf = confidenceFor(output());
    const scores = [...output().data.subarray(5 * 30)].filter((score) => score > conf);
    expect(scores).toHaveLength(20);
    expect(confidenceFor({ data: new Float32Array(6 * 30), shape: [1, 6, 30] })).toBe(0);
  });
});
