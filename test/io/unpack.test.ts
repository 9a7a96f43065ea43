import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpack } from '../../src/io/unpack.js';
import { makeTar } from '../helpers/archives.js';
import { tmpDir } from '../helpers/tmp.js';
import { makeZip } from '../helpers/zip-writer.js';

const archive = (bytes: Uint8Array, name = 'a.tar'): string => {
  const file = join(tmpDir(), name);
  writeFileSync(file, bytes);
  return file;
};
const zip = (...names: string[]): Buffer => makeZip(names.map((name) => ({ name, data: Buffer.from(name) })));

describe('unpack', () => {
  it.each(['a.tar', 'a.tar.gz'])('writes the files of %s, long names too', async (name) => {
    const long = `set/${'x'.repeat(120)}.txt`;
    const pax = `${long.length + 11} path=${long}y\n`;
    const bytes = makeTar([
      ['set/images', '', '5'],
      ['set/images/1.txt', 'one'],
      ['././@LongLink', long, 'L'],
      ['set/cut', 'long'],
      ['PaxHeader/cut', pax, 'x'],
      ['set/cut', 'pax'],
      ['set/empty', ''],
    ]);
    const out = tmpDir();
    expect(await unpack(archive(name.endsWith('gz') ? gzipSync(bytes) : bytes, name), out)).toBe(4);
    const text = (path: string): string => readFileSync(join(out, path), 'utf8');
    expect([text('set/images/1.txt'), text(long), text(`${long}y`), text('set/empty')]).toEqual([
      'one',
      'long',
      'pax',
      '',
    ]);
  });

  it('writes the files of a zip, whatever it is called', async () => {
    const out = tmpDir();
    expect(await unpack(archive(zip('set/', 'set/images/1.txt'), 'download'), out)).toBe(1);
    expect(readFileSync(join(out, 'set/images/1.txt'), 'utf8')).toBe('set/images/1.txt');
  });

  it.each([
    ['a name that leads out', makeTar([['../evil.txt', 'x']]), /leads out/],
    ['an absolute name', makeTar([['/tmp/yolo-evil.txt', 'x']]), /leads out/],
    ['a name of Windows that leads out', zip('..\\evil.txt'), /leads out/],
    ['a link', makeTar([['link', '', '2']]), /is a link/],
    ['a file that is cut short', makeTar([['a', 'x'.repeat(2000)]]).subarray(0, 1024), /truncated/],
    ['a gzip file that is cut short', gzipSync(makeTar([['a', 'x']])).subarray(0, 40), /truncated/],
    ['something else', Buffer.from('<html>not found</html>'.repeat(60)), /not an archive/],
    ['a file that is a folder, too (zip)', zip('link', 'link/x'), /'link\/x' conflicts/],
    ['a folder that is a file, too (zip)', zip('link/x', 'link'), /'link' conflicts/],
    [
      'a file that is a folder, too (tar)',
      makeTar([
        ['link', 'x'],
        ['link/x', 'y'],
      ]),
      /'link\/x' conflicts/,
    ],
    ['a name that no file can have', zip('x'.repeat(300)), /not a valid file name/],
  ])('refuses %s', async (_, bytes, message) => {
    const out = join(tmpDir(), 'in');
    await expect(unpack(archive(bytes), out)).rejects.toMatchObject({
      code: 'bad-archive',
      exitCode: 1,
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(out, '../evil.txt'))).toBe(false);
  });

  describe('what unpacks to far more than it is worth', () => {
    const zeros = Buffer.alloc(20e6);
    const many = Array.from({ length: 3000 }, (_, i): [string, string] => [`${i}`, '']);
    it.each([
      ['a zip, before anything is written', makeZip([{ name: 'zeros', data: zeros, deflate: true }]), 'to 20.0 MB;'],
      ['a .tar.gz, as it comes', gzipSync(makeTar([['zeros', zeros]])), 'to more than 10.0 MB;'],
      ['many empty files', gzipSync(makeTar(many)), 'to more than 10.0 MB;'],
    ])('is refused: %s', async (_, bytes, message) => {
      const out = tmpDir();
      await expect(unpack(archive(bytes), out, { maxBytes: 10e6 })).rejects.toMatchObject({
        code: 'archive-too-large',
        message: expect.stringContaining(message),
        hint: expect.stringContaining('YOLO_MAX_UNPACKED_GB'),
      });
    });
  });
});
