/** Reads parts of a protobuf message from a file without the rest, e.g. a model's signature without its weights. */
import { readSync } from 'node:fs';

/** Position in the file of the value of a length-delimited field (message, string, bytes). */
export interface Span {
  field: number;
  start: number;
  length: number;
}

/** Bytes of a field's key and length: two varints of at most ten bytes. */
const HEAD = 20;
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/**
 * @param start of the message in the open file
 * @param end offset after the message
 * @returns positions of its length-delimited fields; numeric fields are skipped
 * @throws RangeError if the bytes are not a message or are truncated
 */
export function spansOf(fd: number, start: number, end: number): Span[] {
  const spans: Span[] = [];
  const head = new Uint8Array(HEAD);
  for (let at = start; at < end; ) {
    const bytes = head.subarray(0, readSync(fd, head, 0, Math.min(HEAD, end - at), at));
    const [key, next] = readVarint(bytes, 0, at);
    const wire = key % 8;
    if (wire === WIRE.bytes) {
      const [length, after] = readVarint(bytes, next, at);
      spans.push({ field: Math.floor(key / 8), start: at + after, length });
      at += after + length;
    } else if (wire === WIRE.varint) at += readVarint(bytes, next, at)[1];
    else if (wire === WIRE.fixed64 || wire === WIRE.fixed32) at += next + (wire === WIRE.fixed64 ? 8 : 4);
    else throw new RangeError(`protobuf: unknown wire type ${wire} at ${at}`);
    if (at > end) throw new RangeError(`protobuf: the file ends within a field that starts before ${end}`);
  }
  return spans;
}

/** Reads the bytes of a field. @throws RangeError if the file is truncated */
export function readSpan(fd: number, { start, length }: Span): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const got = readSync(fd, bytes, at, length - at, start + at);
    if (got === 0) throw new RangeError(`protobuf: the file ends at ${start + at}`);
    at += got;
  }
  return bytes;
}

/** @returns the value, and the index of the byte after it */
function readVarint(bytes: Uint8Array, from: number, at: number): [value: number, next: number] {
  let value = 0;
  for (let i = from; i < bytes.length && i < from + 10; i++) {
    value += (bytes[i] & 127) * 2 ** (7 * (i - from));
    if (bytes[i] < 128) return [value, i + 1];
  }
  throw new RangeError(`protobuf: a number that does not end at ${at + from}`);
}
