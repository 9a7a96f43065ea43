import { describe, expect, it } from 'vitest';
import { bytes, clock, countNames, rate, sparkline } from '../../src/cli/format.js';
import { barText } from '../../src/cli/progress.js';

describe('format', () => {
  it.each([
    [0, '0:00'],
    [7.4, '0:07'],
    [754, '12:34'],
    [3723, '1:02:03'],
    [Number.NaN, '-:--'],
    [Number.POSITIVE_INFINITY, '-:--'],
  ])('clock(%s) is %s', (s, want) => expect(clock(s)).toBe(want));
  it.each([
    [512, '512 B'],
    [6_200_000, '6.2 MB'],
    [1.4e9, '1.4 GB'],
  ])('bytes(%s) is %s', (n, want) => expect(bytes(n)).toBe(want));
  it.each([
    [18.24, '18.2/s'],
    [0.5, '2.0 s each'],
    [0, ''],
    [Number.NaN, ''],
  ])('rate(%s) is %s', (r, want) => expect(rate(r)).toBe(want));
  it('counts names in the order of classes', () => {
    const person = { class: 0, name: 'person' };
    expect(countNames([{ class: 5, name: 'bus' }, person, person])).toBe('2 persons, 1 bus');
    expect(countNames([])).toBe('(no detections)');
  });
  it('draws a curve in one line', () => {
    expect(sparkline([0, 0.5, 1])).toBe('▁▅█');
    expect(sparkline([3, 3])).toBe('▁▁');
  });
});

describe('barText', () => {
  const state = { label: 'Scanning', from: 0, done: 50, total: 200, unit: 'images', note: '', seconds: 10 };
  it('says part, count, rate, elapsed and remaining time', () => {
    expect(barText(state, 100)).toBe('Scanning:  25% ━━━━━─────────────── 50/200 images 5.0/s 0:10<0:30');
  });
  it('counts neither time nor rate for what was done before', () => {
    expect(barText({ ...state, from: 40 }, 100)).toContain('50/200 images 1.0/s 0:10<2:30');
  });
  it('leaves out what has no room', () => {
    expect(barText(state, 60)).toBe('Scanning:  25% ━━━━━─────────────── 50/200 images 0:10<0:30');
    expect(barText(state, 50)).toBe('Scanning:  25% 50/200 images 0:10<0:30');
    expect(barText(state, 30)).toBe('Scanning:  25% 0:10<0:30');
    expect(barText(state, 15)).toBe('Scanning:  25%');
    expect(barText(state, 4)).toBe('Scan');
  });
  it('knows bytes, and work without an end', () => {
    expect(barText({ ...state, unit: 'bytes', done: 6.2e6, total: 12.4e6 }, 100)).toContain(
      '6.2 MB/12.4 MB 620.0 kB/s',
    );
    expect(barText({ ...state, total: undefined }, 100)).toBe('Scanning: 50 images 5.0/s 0:10');
  });
});
