import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openZip } from '../../src/io/zip.js';
import { tmpDir } from '../helpers/tmp.js';
import { makeZip, type ZipInput } from '../helpers/zip-writer.js';

const path = join(tmpDir(), 'x.zip');
const text = Buffer.from('some text, '.repeat(100));

function opened(data: Uint8Array): ReturnType<typeof openZip> {
  writeFileSync(path, data);
  return openZip(path);
}

function readAll(data: Uint8Array, limit?: number): Record<string, string> {
  const zip = opened(data);
  try {
    return Object.fromEntries(
      [...zip.entries.values()].map((e) => [e.name, Buffer.from(zip.read(e, limit)).toString()]),
    );
  } finally {
    zip.close();
  }
}

describe('zip', () => {
  for (const deflate of [false, true]) {
    for (const zip64 of [false, true]) {
      test(`reads entries: deflate ${deflate}, zip64 ${zip64}`, () => {
        const inputs: ZipInput[] = [
          { name: 'a/text', data: text, deflate, zip64 },
          { name: 'empty', data: new Uint8Array(0), deflate, zip64 },
          { name: 'ünïcode', data: Buffer.from('x'), deflate, zip64 },
        ];
        for (const comment of ['', 'a comment'])
          expect(readAll(makeZip(inputs, { zip64, comment }))).toEqual({
            'a/text': text.toString(),
            empty: '',
            ünïcode: 'x',
          });
      });
    }
  }

  test('a file that is no zip, or is cut anywhere, is refused', () => {
    expect(() => opened(text)).toThrow(/not a zip/);
    expect(() => opened(Buffer.alloc(0))).toThrow(/not a zip/);
    const whole = makeZip([
      { name: 'a', data: text },
      { name: 'b', data: text, deflate: true },
    ]);
    for (let n = 4; n < whole.length; n += 7)
      expect(() => readAll(whole.subarray(0, n)), `${n} bytes`).toThrow(/end of the file is missing/);
  });

  test('flipping any byte never crashes: it is refused, or reads the same, or a name changes', () => {
    const whole = makeZip([
      { name: 'a', data: Buffer.from('hello') },
      { name: 'b', data: text, deflate: true },
    ]);
    for (let i = 0; i < whole.length; i++) {
      const bad = Buffer.from(whole);
      bad[i] ^= 0xff;
      try {
        expect(Object.values(readAll(bad))).toEqual(['hello', text.toString()]);
      } catch (error) {
        expect((error as Error).name, `byte ${i}: ${error}`).toBe('UserError');
      }
    }
  });

  const hostile: [string, () => Buffer, RegExp][] = [
    [
      'claims more than deflate can pack',
      () => makeZip([{ name: 'a', data: text, deflate: true, claim: { size: 1e9 } }]),
      /impossible size/,
    ],
    [
      'unpacks to more than it claims',
      () => makeZip([{ name: 'a', data: Buffer.alloc(1e6), deflate: true, claim: { size: 10_000 } }]),
      /bomb/,
    ],
    [
      'unpacks to less than it claims',
      () => makeZip([{ name: 'a', data: text, deflate: true, claim: { size: text.length + 1 } }]),
      /were expected/,
    ],
    [
      'overlapping entries',
      () =>
        makeZip([
          { name: 'a', data: text },
          { name: 'b', data: text, claim: { offset: 0 } },
        ]),
      /overlaps/,
    ],
    [
      'the same name twice',
      () =>
        makeZip([
          { name: 'a', data: text },
          { name: 'a', data: text },
        ]),
      /twice/,
    ],
    ['place beyond the end', () => makeZip([{ name: 'a', data: text, claim: { offset: 1e9 } }]), /beyond the end/],
    ['encrypted', () => makeZip([{ name: 'a', data: text, claim: { flags: 1 } }]), /encrypted/],
    ['unknown method', () => makeZip([{ name: 'a', data: text, claim: { method: 14 } }]), /method 14/],
    ['wrong checksum', () => makeZip([{ name: 'a', data: text, claim: { crc: 1 } }]), /checksum/],
    [
      'damaged deflate stream',
      () => makeZip([{ name: 'a', data: Buffer.alloc(64, 0xff), claim: { method: 8 } }]),
      /cannot be unpacked|were expected/,
    ],
  ];
  for (const [what, make, message] of hostile)
    test(`refused with a message: ${what}`, () => expect(() => readAll(make())).toThrow(message));

  test('an entry over the limit of the caller is refused before it is unpacked', () => {
    const bomb = makeZip([{ name: 'a', data: Buffer.alloc(50e6), deflate: true }]);
    expect(bomb.length).toBeLessThan(100_000);
    expect(() => readAll(bomb, 1e6)).toThrow(/at most 1000000 are accepted/);
  });
});
