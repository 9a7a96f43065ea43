import { describe, expect, it } from 'vitest';
import { parseLabels } from '../../src/data/labels.js';

const kinds = (text: string, nc = 3): string[] => parseLabels(text, nc).findings.map((f) => `${f.line} ${f.kind}`);

describe('parseLabels', () => {
  it('reads rows of five, whatever the white space and line ends', () => {
    const { rows, findings } = parseLabels('0 0.5 0.5 0.25 0.25\r\n\n  2\t0.1 0.2 0.1 0.2  \n', 3);
    expect(findings).toEqual([]);
    expect([...rows]).toEqual([0, 0.5, 0.5, 0.25, 0.25, 2, 0.1, 0.2, 0.1, 0.2].map(Math.fround));
  });

  it('turns a polygon into its box', () => {
    const { rows, polygons } = parseLabels('1 0.2 0.4 0.6 0.5 0.3 0.9', 3);
    expect(polygons).toBe(1);
    [1, 0.4, 0.65, 0.4, 0.5].forEach((value, i) => {
      expect(rows[i]).toBeCloseTo(value, 6);
    });
  });

  it('drops a duplicate and an empty box and says so, keeping the rest', () => {
    const { rows, findings } = parseLabels('0 .5 .5 .1 .1\n0 .5 .5 .1 .1\n1 .5 .5 0 .1\n', 3);
    expect(rows.length).toBe(5);
    expect(findings.map((f) => [f.line, f.kind, f.corrupt])).toEqual([
      [2, 'duplicate-row', false],
      [3, 'empty-box', false],
    ]);
  });

  it.each([
    ['0 0.5 0.5 0.1', 'wrong-columns'],
    ['0 0.5 0.5 0.1 0.1 0.9', 'wrong-columns'],
    ['0 a 0.5 0.1 0.1', 'not-a-number'],
    ['3 0.5 0.5 0.1 0.1', 'bad-class'],
    ['-1 0.5 0.5 0.1 0.1', 'bad-class'],
    ['0.5 0.5 0.5 0.1 0.1', 'bad-class'],
    ['0 1.02 0.5 0.1 0.1', 'out-of-range'],
    ['0 320 240 50 60', 'out-of-range'],
    ['0 0.5 0.5 -0.1 0.1', 'negative-size'],
  ])("finds '%s' corrupt: %s", (row, kind) => {
    expect(kinds(`1 .5 .5 .1 .1\n${row}`)).toEqual([`2 ${kind}`]);
    expect(parseLabels(`1 .5 .5 .1 .1\n${row}`, 3).rows.length).toBe(0);
  });

  it('tells the number that is wrong as a number', () => {
    const values = (text: string) => parseLabels(text, 3).findings.map(({ kind, value }) => [kind, value]);
    expect(values('0 320 240 50 60\n3 0.5 0.5 0.1 0.1\n0 0.5 -0.2 0.1 0.1')).toEqual([
      ['out-of-range', 320],
      ['bad-class', 3],
      ['out-of-range', -0.2],
    ]);
  });

  it('forgives 0.01 outside 0..1 and cuts it back', () => {
    const { rows, findings } = parseLabels('0 1.009 0.5 0.1 -0.0 0.3 0.3 0.2 0.2\n0 1.009 0.5 0.1 0.1', 3);
    expect(findings).toEqual([]);
    expect(rows[6]).toBe(1);
  });

  it('gives a file up that has more objects than can be learnt, and tells a million wrong rows by the first ones', () => {
    const row = (i: number): string => `0 0.5 0.5 ${((i % 900) + 1) / 1000} ${(Math.floor(i / 900) + 1) / 1000}`;
    const many = Array.from({ length: 20_000 }, (_, i) => row(i)).join('\n');
    expect(parseLabels(many, 3).findings).toEqual([
      { kind: 'too-many-labels', corrupt: true, line: 16_385, message: 'more than 16384 objects in one image' },
    ]);
    const wrong = parseLabels('a b c d e\n'.repeat(9) + Array.from({ length: 9999 }, (_, i) => `${i} x`).join('\n'), 3);
    expect(wrong.findings.length).toBe(100);
    const twice = parseLabels(`${row(1)}\n`.repeat(5000), 3);
    expect([twice.rows.length, twice.duplicates, twice.findings.length]).toEqual([5, 4999, 100]);
  });
});
