import { describe, expect, it } from 'vitest';
import { convert, toRaw } from '../../src/cfg/convert.js';

describe('convert', () => {
  it.each([
    ['none', null],
    ['None', null],
    ['NULL', null],
    ['TRUE', true],
    ['False', false],
    ['1e2', 100],
    ['1E-3', 0.001],
    ['-1', -1],
    ['+.5', 0.5],
    ['5.', 5],
    ['640', 640],
    [' 640 ', 640],
    ['[320,640]', [320, 640]],
    ['[320, 640]', [320, 640]],
    ['(320, 640)', [320, 640]],
    ['320,640', [320, 640]],
    ['[0,]', [0]],
    ['[]', []],
    ['[true, none, a]', [true, null, 'a']],
    ['"none"', 'none'],
    ["'640'", '640'],
    ['', ''],
    ['a.jpg', 'a.jpg'],
    ['a,b.jpg', 'a,b.jpg'],
    ['1.2.3', '1.2.3'],
    ['0x10', '0x10'],
    ['nan', 'nan'],
    ['inf', 'inf'],
    ['constructor', 'constructor'],
    ['http://x/y?a=1,2', 'http://x/y?a=1,2'],
  ])('%j → %j', (text, want) => {
    expect(convert(text)).toEqual(want);
  });
  it('refuses a bracket that is not closed', () => {
    expect(() => convert('[320,640')).toThrow(SyntaxError);
  });
});

describe('toRaw', () => {
  it('keeps plain values, converts strings inside lists', () => {
    expect(toRaw([1, 'true', null])).toEqual([1, true, null]);
  });
  it('has no value for maps, functions, dates', () => {
    expect(toRaw({})).toBeUndefined();
    expect(toRaw([{}])).toBeUndefined();
    expect(toRaw(() => 1)).toBeUndefined();
  });
});
