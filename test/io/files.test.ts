import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.js';
import { openAtomic, writeFileAtomic } from '../../src/io/files.js';
import { tmpDir } from '../helpers/tmp.js';

describe('writeFileAtomic', () => {
  test('writes text and bytes, makes folders, leaves no other file', () => {
    const dir = tmpDir();
    writeFileAtomic(join(dir, 'a/b/x.txt'), 'héllo');
    writeFileAtomic(join(dir, 'a/b/y.bin'), new Uint8Array([1, 2, 3]));
    expect(readFileSync(join(dir, 'a/b/x.txt'), 'utf8')).toBe('héllo');
    expect([...readFileSync(join(dir, 'a/b/y.bin'))]).toEqual([1, 2, 3]);
    expect(readdirSync(join(dir, 'a/b')).sort()).toEqual(['x.txt', 'y.bin']);
  });

  test('an existing file is replaced only by commit', () => {
    const path = join(tmpDir(), 'x');
    writeFileSync(path, 'old');
    const file = openAtomic(path);
    file.write('new ');
    file.write(Buffer.from('text'));
    expect(file.size).toBe(8);
    expect(readFileSync(path, 'utf8')).toBe('old');
    file.commit();
    file.abort();
    expect(readFileSync(path, 'utf8')).toBe('new text');
  });

  test('abort leaves the old file and no temporary one', () => {
    const dir = tmpDir();
    writeFileSync(join(dir, 'x'), 'old');
    const file = openAtomic(join(dir, 'x'));
    file.write('new');
    file.abort();
    expect(readdirSync(dir)).toEqual(['x']);
    expect(readFileSync(join(dir, 'x'), 'utf8')).toBe('old');
  });

  test('a commit that fails is one message and leaves no temporary file', () => {
    const dir = tmpDir();
    const file = openAtomic(join(dir, 'x'));
    file.write('data');
    writeFileAtomic(join(dir, 'x/inside'), 'a folder in the way of the rename');
    expect(() => file.commit()).toThrow(UserError);
    expect(readdirSync(dir)).toEqual(['x']);
  });

  test('folder in the way, file in the path, no permission: UserError with a hint', () => {
    const dir = tmpDir();
    writeFileSync(join(dir, 'file'), '');
    for (const path of [dir, join(dir, 'file/x')]) {
      const error = catchError(() => writeFileAtomic(path, 'x'));
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).code).toBe('cannot-write');
      expect((error as UserError).hint).toBeTruthy();
      expect((error as UserError).message).toContain(path);
    }
    expect(() => writeFileAtomic(join(dir, 'no/x'), 'x', { makeFolder: false })).toThrow(/cannot write/);
    if (process.getuid?.() !== 0) {
      chmodSync(dir, 0o500);
      expect(() => writeFileAtomic(join(dir, 'x'), 'x')).toThrow(UserError);
      chmodSync(dir, 0o700);
    }
  });
});

function catchError(fn: () => void): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}
