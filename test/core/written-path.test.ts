import { describe, expect, it } from 'vitest';
import { escapeHint, fileIdentity, forLibrary, spellings } from '../../src/core/written-path.js';

describe('paths that were written on another system', () => {
  it.each([
    ['linux', 'images\\val', ['images\\val', 'images/val']],
    ['darwin', 'a\\b/c', ['a\\b/c', 'a/b/c']],
    ['win32', 'images\\val', ['images\\val']],
    ['linux', 'images/val', ['images/val']],
  ])('%s: %s', (platform, path, expected) => {
    expect(spellings(path, platform)).toEqual(expected);
  });

  it.each([
    ['linux', ['x', 'X', 'é', 'e\u0301'], 4],
    ['win32', ['x', 'X', 'Straße'], 2],
    ['darwin', ['x', 'X', 'é', 'e\u0301', 'É'], 2],
  ])('%s: of %j that many files', (platform, names, files) => {
    expect(new Set(names.map((name) => fileIdentity(name, platform))).size).toBe(files);
  });

  it('libraries get long paths of Windows with a prefix', () => {
    const long = `images\\${'x'.repeat(250)}.jpg`;
    expect(forLibrary(`C:\\d/${long}`, 'win32')).toBe(`\\\\?\\C:\\d\\${long}`);
    expect(forLibrary(`\\\\server\\share\\${long}`, 'win32')).toBe(`\\\\?\\UNC\\server\\share\\${long}`);
    expect(forLibrary('images/a.jpg', 'win32')).toBe('images/a.jpg');
    expect(forLibrary(`/d/${long}`, 'linux')).toBe(`/d/${long}`);
  });

  it('control characters come from escape sequences', () => {
    expect(escapeHint('C:\\images')).toBeUndefined();
    expect(escapeHint('C:\new')).toContain('C:/data');
  });
});
