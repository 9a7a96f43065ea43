import { describe, expect, it } from 'vitest';
import { editDistance, similar } from '../../src/core/suggest.js';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['imgsz', 'imgzs', 1],
    ['ab', 'ba', 1],
    ['batch', 'batch', 0],
  ])('%s → %s is %i', (a, b, want) => {
    expect(editDistance(a, b)).toBe(want);
    expect(editDistance(b, a)).toBe(want);
  });
});

describe('similar', () => {
  const names = ['epochs', 'warmup_epochs', 'batch', 'lr0', 'lrf', 'imgsz', 'save_txt', 'save', 'patience', 'toString'];
  it.each([
    ['epoch', ['epochs']],
    ['bacth', ['batch']],
    ['img_size', ['imgsz']],
    ['lr', ['lr0', 'lrf']],
    ['EPOCHS', ['epochs']],
    ['zzzzzz', []],
    ['x', []],
    ['', []],
  ])("'%s' → %j", (word, want) => {
    expect(similar(word, names)).toEqual(want);
  });
  it('gives at most the limit', () => {
    expect(similar('aaaa', ['aaab', 'aaac', 'aaad', 'aaae'], 2)).toHaveLength(2);
  });
});
