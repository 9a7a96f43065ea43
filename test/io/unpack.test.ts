import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpack } from '../../src/io/unpack.js';
import { tmpDir } from '../helpers/tmp.js';

/** A tar of files; `type` other than '0' makes a link. */
function tar(files: [name: string, content: string, type?: string][]): Buffer {
  const blocks = files.flatMap(([name, content, type = '0']) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(content.length.toString(8).padStart(11, '0'), 124);
    header.write(type, 156);
    header.write('ustar', 257);
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content);
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

describe('unpack', () => {
  const archive = (bytes: Uint8Array, name = 'a.tar'): string => {
    const file = join(tmpDir(), name);
    writeFileSync(file, bytes);
    return file;
  };

  it.each(['a.tar', 'a.tar.gz'])('writes the files of %s, long names too, and leaves what is there', (name) => {
    const long = `set/${'x'.repeat(120)}.txt`;
    const bytes = tar([
      ['set/images/1.txt', 'one'],
      ['././@LongLink', long, 'L'],
      ['set/cut', 'long'],
    ]);
    const out = tmpDir();
    const file = archive(name.endsWith('gz') ? gzipSync(bytes) : bytes, name);
    expect(unpack(file, out)).toBe(2);
    expect(readFileSync(join(out, 'set/images/1.txt'), 'utf8')).toBe('one');
    expect(readFileSync(join(out, long), 'utf8')).toBe('long');
    writeFileSync(join(out, 'set/images/1.txt'), 'mine');
    expect(unpack(file, out)).toBe(0);
    expect(readFileSync(join(out, 'set/images/1.txt'), 'utf8')).toBe('mine');
  });

  it.each([
    ['a name that leads out', tar([['../evil.txt', 'x']])],
    ['an absolute name', tar([['/tmp/yolo-evil.txt', 'x']])],
    ['a link', tar([['link', '', '2']])],
    ['a file that is cut short', tar([['a', 'x'.repeat(2000)]]).subarray(0, 1024)],
  ])('refuses %s', (_, bytes) => {
    const out = join(tmpDir(), 'in');
    expect(() => unpack(archive(bytes), out)).toThrow(/refused|cut short/);
    expect(existsSync(join(out, '../evil.txt'))).toBe(false);
  });
});
