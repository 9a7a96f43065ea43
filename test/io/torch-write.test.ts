import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PyDict, unpickle } from '../../src/io/pickle.js';
import { PyTuple, pickle } from '../../src/io/pickle-write.js';
import type { StoredTensor } from '../../src/io/safetensors.js';
import type { TorchTensor } from '../../src/io/torch-names.js';
import { openTorchFile } from '../../src/io/torch-pt.js';
import { writeStateDict } from '../../src/io/torch-write.js';
import { openZip } from '../../src/io/zip.js';
import { writeZip } from '../../src/io/zip-write.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const path = join(dir, 'x.pt');

test('pickled values are read as they were, and the bytes are those that Python writes', () => {
  const values = [
    null,
    true,
    false,
    0,
    -1,
    255,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31,
    -(2 ** 53) + 1,
    0.1,
    -0,
    1e300,
    'é\n"',
  ];
  const value = { values, tuple: new PyTuple([1, 'a']), names: new Map([[0, 'a'], [1, 'b']]), none: [], empty: {} }; // biome-ignore format: one line
  const got = unpickle(pickle(value), { where: 'x', allow: () => undefined }) as Map<string, unknown>;
  expect(got.get('values')).toEqual(values);
  expect(got.get('tuple')).toEqual([1, 'a']);
  expect(got.get('names')).toEqual(new Map([[0, 'a'], [1, 'b']])); // biome-ignore format: one line
  expect(got.get('none')).toEqual([]);
  expect(got.get('empty')).toEqual(new Map());
  // pickletools.optimize(pickle.dumps([1.5, 2**40], 2)), but for the order of MARK
  expect(pickle([1.5, 2 ** 40]).toString('hex')).toBe(
    '80025d2847' + '3ff8000000000000' + '8a08' + '0000000000010000' + '652e',
  );
  expect(() => pickle(() => {})).toThrow(/function cannot be pickled/);
  const loop: unknown[] = [];
  loop.push(loop);
  expect(() => pickle(loop)).toThrow(/nested/);
});

test('a state dict: every number type, a scalar, an empty tensor and the attributes come back, aligned to 64 bytes', () => {
  const tensors: [string, StoredTensor][] = [
    ['f32', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2.5, Number.NaN, 1e-40) }],
    ['odd', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['f16', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc100) }],
    ['bf16', { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) }],
    ['f64', { dtype: 'F64', shape: [1], data: Float64Array.of(0.5) }],
    ['count', { dtype: 'I64', shape: [], data: BigInt64Array.of(2n ** 40n + 1n) }],
    ['empty', { dtype: 'F32', shape: [0, 3], data: new Float32Array(0) }],
  ];
  writeStateDict(path, tensors, { names: new Map([[0, 'it’s']]), yaml: { nc: 1, scale: null } });
  const file = openTorchFile(path);
  const root = file.root as PyDict;
  expect(root).toBeInstanceOf(PyDict);
  expect([...root.keys()]).toEqual(tensors.map(([name]) => name));
  const read = (name: string) => file.read(root.get(name) as TorchTensor);
  expect(read('f32')).toEqual({ shape: [2, 2], data: Float32Array.of(1, -2.5, Number.NaN, 1e-40) });
  expect([...read('odd').data]).toEqual([1, 2, 255]);
  expect([...read('f16').data]).toEqual([1, -2.5]);
  expect([...read('bf16').data]).toEqual([1]);
  expect([...read('f64').data]).toEqual([0.5]);
  expect(read('empty')).toEqual({ shape: [0, 3], data: new Float32Array(0) });
  expect(file.readScalar(root.get('count') as TorchTensor)).toBe(2 ** 40 + 1);
  expect(file.readScalar(root.get('odd') as TorchTensor)).toBeUndefined();
  expect(root.attributes.get('names')).toEqual(new Map([[0, 'it’s']]));
  expect(root.attributes.get('yaml')).toEqual(new Map<string, unknown>([['nc', 1], ['scale', null]])); // biome-ignore format: one line
  file.close();
  const bytes = readFileSync(path);
  const zip = openZip(path);
  expect([...zip.entries.keys()].slice(0, 3)).toEqual(['archive/data.pkl', 'archive/byteorder', 'archive/data/0']);
  for (const { offset, method } of zip.entries.values()) {
    expect(method).toBe(0);
    expect((offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28)) % 64).toBe(0);
  }
  zip.close();
});

test('zip entries keep their names and bytes; an error while one is made leaves nothing', () => {
  const file = join(dir, 'x.zip');
  writeZip(file, [
    { name: 'é/a', data: Buffer.from('one') },
    { name: 'b', data: new Uint8Array(0) },
  ]);
  const zip = openZip(file);
  expect([...zip.entries.values()].map((e) => [e.name, Buffer.from(zip.read(e)).toString()])).toEqual([
    ['é/a', 'one'],
    ['b', ''],
  ]);
  zip.close();
  const before = readFileSync(file);
  function* broken() {
    yield { name: 'a', data: Buffer.from('two') };
    throw new Error('out of ideas');
  }
  expect(() => writeZip(file, broken())).toThrow('out of ideas');
  expect(readFileSync(file).equals(before)).toBe(true);
});
