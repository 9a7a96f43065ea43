import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bytes, concat, double, float, string, varint } from '../../src/io/protobuf.js';
import { readSpan, spansOf } from '../../src/io/protobuf-file.js';
import { tmpDir } from '../helpers/tmp.js';

const file = join(tmpDir(), 'message');

function spans(data: Uint8Array): [field: number, content: string][] {
  writeFileSync(file, data);
  const fd = openSync(file, 'r');
  try {
    return spansOf(fd, 0, data.length).map((span) => [span.field, Buffer.from(readSpan(fd, span)).toString()]);
  } finally {
    closeSync(fd);
  }
}

const message = concat(
  varint(1, 2 ** 40),
  string(2, 'one'),
  float(3, 1.5),
  double(4, 2.5),
  varint(500, -1),
  bytes(300, new Uint8Array(1000).fill(65)),
  string(2, ''),
).finish();

test('fields with a length, wherever they lie; numbers are passed over', () => {
  expect(spans(message)).toEqual([
    [2, 'one'],
    [300, 'A'.repeat(1000)],
    [2, ''],
  ]);
  expect(spans(new Uint8Array())).toEqual([]);
});

test('what ends early or is no message is an error, wherever it is cut', () => {
  for (const cut of [1, 8, 11, 14, 40, 100, message.length - 1]) {
    expect(() => spans(message.subarray(0, cut)), `cut at ${cut}`).toThrow(RangeError);
  }
  expect(() => spans(new Uint8Array(30).fill(255))).toThrow(/does not end/);
  expect(() => spans(Uint8Array.of(15, 1))).toThrow(/wire type 7/);
});
