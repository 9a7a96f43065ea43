import { expect, test } from 'vitest';
import { bfloatToFloat, floatToHalf, halfToFloat } from '../../src/io/half.js';

test('every half survives the way to float and back', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const floats = halfToFloat(all);
  const back = floatToHalf(floats);
  for (let i = 0; i < 65536; i++) {
    if (Number.isNaN(floats[i])) expect((back[i] & 0x7c00) === 0x7c00 && (back[i] & 0x3ff) !== 0).toBe(true);
    else expect(back[i]).toBe(all[i]);
  }
});

test('floats go to the nearest half, ties to even', () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 * 2 ** -10],
    [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
    [65519.99, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [-1e30, Number.NEGATIVE_INFINITY],
    [2 ** -25, 0],
    [2 ** -25 * 1.01, 2 ** -24],
    [2 ** -24 * 1.5, 2 ** -23],
    [2 ** -14 - 2 ** -26, 2 ** -14],
    [1e-10, 0],
  ];
  for (const [from, to] of cases) expect(halfToFloat(floatToHalf(Float32Array.of(from)))[0], `${from}`).toBe(to);
});

test('any float is at most half a step from its half', () => {
  for (let i = 0; i < 2000; i++) {
    const x = Math.fround(Math.sin(i) * 2 ** ((i % 40) - 25));
    const got = halfToFloat(floatToHalf(Float32Array.of(x)))[0];
    const step = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10));
    expect(Math.abs(got - x), `${x}`).toBeLessThanOrEqual(step / 2);
  }
});

test('bfloat16 is the upper half of a float', () => {
  expect([...bfloatToFloat(Uint16Array.of(0x3f80, 0xc020, 0x7f80))]).toEqual([1, -2.5, Number.POSITIVE_INFINITY]);
});
