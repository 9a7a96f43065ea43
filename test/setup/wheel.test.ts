import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkSpace, verifyWheel } from '../../bin/setup/tensorflow.mjs';
import { extract, readDirectory, sha256 } from '../../bin/setup/wheel.mjs';
import { tmpDir } from '../helpers/tmp.js';
import { makeZip } from '../helpers/zip-writer.js';

const TEXT = Buffer.from('the same words again and again, '.repeat(5000));

function wheel(claim = {}): { file: string; bytes: Buffer } {
  const file = join(tmpDir(), 'fake.whl');
  const bytes = makeZip([
    { name: 'tensorflow/a.so', data: TEXT, deflate: true, claim },
    { name: 'tensorflow/empty.h', data: Buffer.alloc(0) },
    { name: 'tensorflow/stored.h', data: Buffer.from('int x;') },
  ]);
  writeFileSync(file, bytes);
  return { file, bytes };
}

describe('files of a wheel', () => {
  it.each(['tensorflow/a.so', 'tensorflow/empty.h', 'tensorflow/stored.h'])(
    '%s comes out as it went in',
    async (name) => {
      const { file } = wheel();
      const target = join(tmpDir(), 'deep/er/out');
      await extract(file, readDirectory(file).get(name)!, target);
      const expected = { 'tensorflow/a.so': TEXT.toString(), 'tensorflow/stored.h': 'int x;' }[name] ?? '';
      expect(readFileSync(target, 'utf8')).toBe(expected);
    },
  );

  it.each([
    ['a wrong checksum', { crc: 1 }],
    ['a wrong size', { size: 7 }],
  ])('%s is noticed', async (_, claim) => {
    const { file } = wheel(claim);
    const entry = readDirectory(file).get('tensorflow/a.so')!;
    await expect(extract(file, entry, join(tmpDir(), 'out'))).rejects.toThrow('checksum');
  });

  it('a file that is cut off is no wheel', () => {
    const { file, bytes } = wheel();
    writeFileSync(file, bytes.subarray(0, bytes.length - 40));
    expect(() => readDirectory(file)).toThrow(/truncated/);
  });

  it('an entry of another packing is refused', async () => {
    const { file } = wheel({ method: 14 });
    const entry = readDirectory(file).get('tensorflow/a.so')!;
    await expect(extract(file, entry, join(tmpDir(), 'out'))).rejects.toThrow('method 14');
  });
});

describe('the downloaded wheel', () => {
  const pinOf = (bytes: Buffer) => ({
    ...{ package: 'tensorflow-cpu', file: 'fake.whl', platform: 'any', diskBytes: 0, bytes: bytes.length },
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  afterEach(() => {
    delete process.env.YOLO_TF_WHEEL;
  });

  it('is taken when its hash is the pinned one', async () => {
    const { file, bytes } = wheel();
    expect(await sha256(file)).toBe(pinOf(bytes).sha256);
    await verifyWheel(file, pinOf(bytes));
    expect(existsSync(file)).toBe(true);
  });

  it.each([
    ['one byte differs', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])])],
    ['it is cut off', (bytes: Buffer) => bytes.subarray(0, 100)],
  ])('is refused and removed when %s', async (_, spoil) => {
    const { file, bytes } = wheel();
    writeFileSync(file, spoil(bytes));
    await expect(verifyWheel(file, pinOf(bytes))).rejects.toThrow('not the file that was expected');
    expect(existsSync(file)).toBe(false);
  });

  it('of the user is refused but never removed', async () => {
    const { file, bytes } = wheel();
    writeFileSync(file, 'something else');
    process.env.YOLO_TF_WHEEL = file;
    await expect(verifyWheel(file, pinOf(bytes))).rejects.toThrow('not the file that was expected');
    expect(existsSync(file)).toBe(true);
  });

  it('is not begun where the disk has no room', () => {
    expect(() => checkSpace(tmpDir(), 1e18)).toThrow(/takes 1000000000\.0 GB .* GB free/);
    expect(() => checkSpace(tmpDir(), 1)).not.toThrow();
  });
});
