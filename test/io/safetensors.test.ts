import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  looksLikeSafetensors,
  openSafetensors,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from '../../src/io/safetensors.js';
import { golden } from '../helpers/golden.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const path = join(dir, 'x.safetensors');

function file(header: unknown, data: number | Uint8Array = 0): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, typeof data === 'number' ? Buffer.alloc(data) : data]));
  return path;
}

describe('safetensors', () => {
  test('golden files (written by the Python library) are read number by number', () => {
    for (const name of ['ciou', 'nms']) {
      const want = golden(name);
      const got = readSafetensors(fileURLToPath(new URL(`../golden/${name}.safetensors`, import.meta.url)));
      expect([...got.tensors.keys()].sort()).toEqual([...want.tensors.keys()].sort());
      for (const [key, tensor] of want.tensors) {
        expect(got.tensors.get(key)!.shape).toEqual(tensor.shape);
        expect(got.tensors.get(key)!.data).toEqual(tensor.data);
      }
      for (const [key, value] of Object.entries(want.meta)) expect(JSON.parse(got.metadata[key])).toEqual(value);
    }
  });

  test('held open, each tensor is read when asked for, from the file as it was', () => {
    const numbers = Float32Array.of(1, 2, 3);
    writeSafetensors(path, [['a', { dtype: 'F32', shape: [3], data: numbers }]], { note: 'x' });
    const { tensors, metadata, close } = openSafetensors(path);
    writeSafetensors(path, [['a', { dtype: 'F32', shape: [3], data: numbers.map((x) => -x) }]], {});
    const tensor = tensors.get('a')!;
    expect([tensor.read(), tensor.read(), metadata.note]).toEqual([numbers, numbers, 'x']);
    close();
    expect(() => tensor.read()).toThrow();
  });

  test('what is written is read again: every type, empty and scalar shapes, metadata, aligned', () => {
    const tensors: [string, StoredTensor][] = [
      ['u8', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ['f16', { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) }],
      ['f32', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2, Number.NaN, 3e38) }],
      ['f64', { dtype: 'F64', shape: [], data: Float64Array.of(0.1) }],
      ['i64', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 60n) }],
      ['i32', { dtype: 'I32', shape: [0, 4], data: new Int32Array(0) }],
    ];
    writeSafetensors(path, tensors, { note: 'ünïcode "quoted"' });
    const got = readSafetensors(path);
    expect(got.metadata).toEqual({ note: 'ünïcode "quoted"' });
    expect(new Map([...got.tensors].sort())).toEqual(new Map([...tensors].sort() as [string, StoredTensor][]));
    const raw = readFileSync(path);
    expect(Number(raw.readBigUInt64LE(0)) % 8).toBe(0);
    expect(looksLikeSafetensors(raw)).toBe(true);
    expect([...readSafetensors(path, { only: (n) => n === 'u8' }).tensors.keys()]).toEqual(['u8']);
  });

  test('a write that fails leaves the old file and nothing else', () => {
    writeFileSync(path, 'old');
    const wrong: StoredTensor = { dtype: 'F32', shape: [3], data: new Float32Array(2) };
    expect(() => writeSafetensors(path, [['a', wrong]])).toThrow(/8 bytes for F32/);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dirname(path))).toEqual(['x.safetensors']);
  });

  const f32 = (from: number, to: number, shape = [(to - from) / 4]): unknown => ({
    dtype: 'F32',
    shape,
    data_offsets: [from, to],
  });
  const hostile: [string, () => string, RegExp][] = [
    ['overlapping tensors', () => file({ a: f32(0, 8), b: f32(4, 12) }, 12), /overlaps/],
    ['a gap', () => file({ a: f32(0, 8), b: f32(12, 16) }, 16), /gap/],
    ['beyond the end', () => file({ a: f32(0, 800) }, 8), /800 bytes of data are expected/],
    ['data left over', () => file({ a: f32(0, 8) }, 16), /follow/],
    ['size and shape disagree', () => file({ a: f32(0, 8, [3]) }, 8), /needs 12 bytes/],
    ['overflowing shape', () => file({ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, 8), /needs/],
    ['negative place', () => file({ a: f32(-8, 0, [2]) }, 8), /lists of integers/],
    ['fractional shape', () => file({ a: f32(0, 8, [1.5]) }, 8), /lists of integers/],
    [
      'unknown type',
      () => file({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 4] } }, 4),
      /unknown number type/,
    ],
    ['no object', () => file({ a: null }, 0), /unknown number type/],
    [
      'key twice',
      () =>
        file(
          '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
          1,
        ),
      /'a' is in its header twice/,
    ],
    [
      'key twice, escaped',
      () =>
        file(
          '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
          1,
        ),
      /twice/,
    ],
    ['header is no JSON', () => file('{"a":', 0), /not JSON/],
    ['header is a list', () => file('[]', 0), /not a JSON object/],
    ['metadata that is no text', () => file({ __metadata__: { a: 1 } }), /strings/],
  ];
  for (const [what, make, message] of hostile)
    test(`refused: ${what}`, () => expect(() => readSafetensors(make())).toThrow(message));

  test('refused: header length beyond the file, or too short a file', () => {
    const huge = Buffer.alloc(16);
    huge.writeBigUInt64LE(2n ** 60n);
    writeFileSync(path, huge);
    expect(() => readSafetensors(path)).toThrow(/claims/);
    writeFileSync(path, Buffer.alloc(3));
    expect(() => readSafetensors(path)).toThrow(/too few/);
    expect(() => readSafetensors(join(dir, 'none'))).toThrow(expect.objectContaining({ code: 'missing-file' }));
  });
});
