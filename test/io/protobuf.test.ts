import { describe, expect, test } from 'vitest';
import {
  bytes,
  bytesFields,
  concat,
  double,
  float,
  intFields,
  message,
  packedFloats,
  packedVarints,
  readFields,
  string,
  stringField,
  varint,
} from '../../src/io/protobuf.js';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

describe('protobuf writer', () => {
  test('examples of the encoding guide, byte for byte', () => {
    expect(hex(varint(1, 150).finish())).toBe('089601');
    expect(hex(string(2, 'testing').finish())).toBe('120774657374696e67');
    expect(hex(message(3, varint(1, 150)).finish())).toBe('1a03089601');
    expect(hex(packedVarints(6, [3, 270, 86942]).finish())).toBe('3206038e029ea705');
    expect(hex(packedFloats(4, [1, 2]).finish())).toBe('22080000803f00000040');
    expect(hex(varint(1, -2).finish())).toBe('08feffffffffffffffff01');
    expect(hex(float(1, 1).finish())).toBe('0d0000803f');
    expect(hex(double(1, 1).finish())).toBe('09000000000000f03f');
    expect(hex(varint(1000, 2 ** 53 - 1).finish())).toBe('c03effffffffffffff0f');
  });

  test('large chunks are referred to, not copied; order is kept', () => {
    const big = new Uint8Array(100_000).fill(7);
    const part = message(1, varint(1, 5), bytes(2, big), string(3, 'after'));
    expect(part.chunks).toContain(big);
    const inner = readFields(bytesFields(readFields(part.finish()), 1)[0]);
    expect(inner.map((f) => f.field)).toEqual([1, 2, 3]);
    expect(bytesFields(inner, 2)[0].length).toBe(100_000);
    expect(stringField(inner, 3)).toBe('after');
  });

  test('ten thousand nested messages of a hundred chunks each stay linear in size', () => {
    const leaf = message(1, [varint(1, 1), string(2, 'name')]);
    const all = concat(Array.from({ length: 10_000 }, () => message(2, leaf, leaf)));
    expect(all.length).toBe(10_000 * (2 + 2 * leaf.length));
    expect(all.chunks.length).toBeLessThan(10);
    expect(readFields(all.finish()).length).toBe(10_000);
  });
});

describe('protobuf reader', () => {
  test('numbers come back, packed or not, negative ones too', () => {
    const data = concat(varint(1, -1), packedVarints(1, [0, 127, 128, -5, 2 ** 40])).finish();
    expect(intFields(readFields(data), 1)).toEqual([-1, 0, 127, 128, -5, 2 ** 40]);
  });

  test('data that ends early or is no message throws', () => {
    for (const bad of ['0896', '12ff', '0a05aabb', '0b', '00', 'ffffffffffffffffffffffff'])
      expect(() => readFields(Buffer.from(bad, 'hex')), bad).toThrow(RangeError);
  });
});
