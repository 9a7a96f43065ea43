import { describe, expect, it } from 'vitest';
import { OutputNames } from '../../../src/engine/predict/output-names.js';

const named = (paths: string[], platform?: string): string[] => {
  const names = new OutputNames(
    paths.map((path) => ({ path })),
    platform,
  );
  return paths.map((path, i) => names.stemOf(i, path));
};

describe('names of the files of a prediction', () => {
  it.each([
    [
      ['a/x.jpg', 'b/x.png', 'c/y.jpg'],
      ['x', 'x-2', 'y'],
    ],
    [
      ['x.jpg', 'x.png', 'x-2.jpg', 'x.webp'],
      ['x', 'x-2', 'x-2-2', 'x-3'],
    ],
    [
      ['x-2.jpg', 'a/x.jpg', 'b/x.jpg'],
      ['x-2', 'x', 'x-3'],
    ],
    [
      ['http://h/i.jpg?a=1', '..', '.jpg', 'a:b.jpg'],
      ['i', '_', '.jpg', 'a_b'],
    ],
    [
      ['CON.jpg', 'aux.v1.jpg', 'console.jpg', 'end .jpg'],
      ['CON_', 'aux_.v1', 'console', 'end_'],
    ],
  ])('%j', (paths, expected) => {
    expect(named(paths)).toEqual(expected);
    expect(new Set(expected).size).toBe(expected.length);
  });

  it.each([
    ['linux', ['x', 'X', 'X-2', 'é', 'e\u0301']],
    ['win32', ['x', 'X-3', 'X-2', 'é', 'e\u0301-2']],
    ['darwin', ['x', 'X-3', 'X-2', 'é', 'e\u0301-2']],
  ])('%s: differ as files', (platform, expected) => {
    const paths = ['a/X-2.jpg', 'a/x.jpg', 'b/X.jpg', 'é.jpg', 'e\u0301.jpg'];
    const [first, ...rest] = named(paths, platform);
    expect([rest[0], rest[1], first, ...rest.slice(2)]).toEqual(expected);
  });

  it('depend on the list alone: the last one asked for first is the same', () => {
    const paths = ['a/x.jpg', 'b/x.jpg', 'c/x.jpg'];
    const names = new OutputNames(paths.map((path) => ({ path })));
    expect(names.stemOf(2, paths[2])).toBe('x-3');
    expect(names.stemOf(0, paths[0])).toBe('x');
  });

  it('of frames and further crops are no names of other sources', () => {
    const names = new OutputNames(['v.mp4', 'v_1.jpg', 'x.jpg', 'x-2.jpg'].map((path) => ({ path })));
    expect(names.stemOf(0, 'v.mp4')).toBe('v');
    expect([1, 2].map((frame) => names.ofFrame('v', frame))).toEqual(['v_1_', 'v_2']);
    expect(names.nextNumber('x', 1)).toBe(3);
    expect(names.nextNumber('x', 3)).toBe(4);
  });

  it('of sources that arrive one after the other are free as far as is known', () => {
    const names = new OutputNames();
    expect([names.stemOf(0, 'x.jpg'), names.stemOf(0, 'x.jpg'), names.stemOf(1, 'b/x.jpg')]).toEqual(['x', 'x', 'x-2']);
  });
});
