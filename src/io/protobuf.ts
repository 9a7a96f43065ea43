/**
 * Protocol buffers, wire format only (https://protobuf.dev/programming-guides/encoding/), to write and read ONNX models and
 * TensorFlow GraphDefs without a schema compiler. A message is built as a list of chunks, so that large tensors are not
 * copied: nesting concatenates lists, and bytes are joined (or written to a file) once. Chunks can also be produced when they
 * are written, so that the weights of a model need not be in memory at the same time.
 */

/** Bytes of known length that are produced when they are written, possibly more than once. */
export interface Deferred {
  readonly length: number;
  make(): Uint8Array;
}

/** Bytes, or a way to produce them. */
export type Chunk = Uint8Array | Deferred;

/** Encoded fields of a message: chunks and their total length. */
export class ProtoPart {
  readonly chunks: Chunk[];
  readonly length: number;

  constructor(chunks: Chunk[], length: number) {
    this.chunks = chunks;
    this.length = length;
  }

  /** The bytes, chunk by chunk; a deferred chunk is produced when it is reached. */
  *pieces(): Generator<Uint8Array> {
    for (const chunk of this.chunks) yield chunkBytes(chunk);
  }

  /** All bytes in one array. */
  finish(): Uint8Array {
    if (this.chunks.length === 1) return chunkBytes(this.chunks[0]);
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.pieces()) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

function chunkBytes(chunk: Chunk): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  const bytes = chunk.make();
  if (bytes.length !== chunk.length)
    throw new Error(`protobuf: a deferred chunk has ${bytes.length} bytes, but ${chunk.length} were announced`);
  return bytes;
}

/** An optional part of a message. */
export type Part = ProtoPart | null | undefined | false;

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** Bytes; smaller chunks are merged, because thousands of arrays of five bytes cost more than copying them. */
const SMALL = 1024;

/** Concatenates parts; falsy ones are left out. */
export function concat(...parts: (Part | readonly Part[])[]): ProtoPart {
  const chunks: Chunk[] = [];
  let length = 0;
  let small: Uint8Array[] = [];
  let smallLength = 0;
  const flush = (): void => {
    if (small.length === 0) return;
    chunks.push(small.length === 1 ? small[0] : new ProtoPart(small, smallLength).finish());
    small = [];
    smallLength = 0;
  };
  const add = (part: Part): void => {
    if (!part) return;
    length += part.length;
    for (const chunk of part.chunks) {
      if (!(chunk instanceof Uint8Array) || chunk.length > SMALL) {
        flush();
        chunks.push(chunk);
      } else {
        small.push(chunk);
        smallLength += chunk.length;
      }
    }
  };
  for (const part of parts) {
    if (Array.isArray(part)) for (const p of part) add(p);
    else add(part as Part);
  }
  flush();
  return new ProtoPart(chunks, length);
}

/** int32, int64, uint64, bool, enum. Negative numbers take ten bytes (64-bit two's complement), as specified. */
export function varint(field: number, value: number | bigint | boolean): ProtoPart {
  return bytesOf([
    ...varintBytes((field << 3) | WIRE.varint),
    ...varintBytes(Number.isInteger(value) ? value : BigInt(value)),
  ]);
}

/** bytes; the array is referenced, not copied: it must not change before the message is written. */
export function bytes(field: number, value: Chunk): ProtoPart {
  const head = tag(field, value.length);
  return new ProtoPart(value.length ? [head, value] : [head], head.length + value.length);
}

/** string, UTF-8. */
export function string(field: number, value: string): ProtoPart {
  return bytes(field, Buffer.from(value, 'utf8'));
}

/** A nested message. */
export function message(field: number, ...parts: (Part | readonly Part[])[]): ProtoPart {
  const body = concat(...parts);
  const head = tag(field, body.length);
  const [first, ...rest] = body.chunks;
  const length = head.length + body.length;
  if (!(first instanceof Uint8Array) || first.length > SMALL) return new ProtoPart([head, ...body.chunks], length);
  const joined = new Uint8Array(head.length + first.length);
  joined.set(head);
  joined.set(first, head.length);
  return new ProtoPart([joined, ...rest], length);
}

/** fixed32: four bytes, unsigned. */
export function fixed32(field: number, value: number): ProtoPart {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return bytesOf([...varintBytes((field << 3) | WIRE.fixed32), ...out]);
}

/** float (32 bits). */
export function float(field: number, value: number): ProtoPart {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setFloat32(0, value, true);
  return bytesOf([...varintBytes((field << 3) | WIRE.fixed32), ...out]);
}

/** double (64 bits). */
export function double(field: number, value: number): ProtoPart {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setFloat64(0, value, true);
  return bytesOf([...varintBytes((field << 3) | WIRE.fixed64), ...out]);
}

/** repeated int32/int64/enum/bool, packed. */
export function packedVarints(field: number, values: Iterable<number | bigint | boolean>): ProtoPart {
  const out: number[] = [];
  for (const v of values) out.push(...varintBytes(typeof v === 'boolean' ? Number(v) : v));
  return bytes(field, Uint8Array.from(out));
}

/** repeated float, packed. */
export function packedFloats(field: number, values: ArrayLike<number>): ProtoPart {
  const data = Float32Array.from(values);
  return bytes(field, new Uint8Array(data.buffer));
}

/** A decoded field: its number, wire type and raw value. */
export type ProtoField =
  | { field: number; wire: 0; value: bigint }
  | { field: number; wire: 1 | 2 | 5; value: Uint8Array };

/**
 * @returns the fields of a message in order; the value of a nested message is read by another call
 * @throws RangeError if the bytes are not a message or are truncated
 */
export function readFields(data: Uint8Array): ProtoField[] {
  const fields: ProtoField[] = [];
  let at = 0;
  const take = (n: number): Uint8Array => {
    if (n < 0 || at + n > data.length)
      throw new RangeError(`protobuf: ${n} bytes expected at ${at}, ${data.length - at} left`);
    at += n;
    return data.subarray(at - n, at);
  };
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = take(1)[0];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new RangeError(`protobuf: a number of more than ten bytes before ${at}`);
  };
  while (at < data.length) {
    const key = Number(readVarint());
    const field = Math.floor(key / 8);
    const wire = key % 8;
    if (field === 0) throw new RangeError(`protobuf: field number 0 at ${at}`);
    if (wire === WIRE.varint) fields.push({ field, wire, value: readVarint() });
    else if (wire === WIRE.fixed64) fields.push({ field, wire, value: take(8) });
    else if (wire === WIRE.bytes) fields.push({ field, wire, value: take(Number(readVarint())) });
    else if (wire === WIRE.fixed32) fields.push({ field, wire, value: take(4) });
    else throw new RangeError(`protobuf: unknown wire type ${wire} at ${at}`);
  }
  return fields;
}

/** All values of a bytes, string or message field. */
export function bytesFields(fields: readonly ProtoField[], field: number): Uint8Array[] {
  return fields.flatMap((f) => (f.field === field && f.wire === WIRE.bytes ? [f.value] : []));
}

/** The last value of a string field, as the specification requires; undefined if absent. */
export function stringField(fields: readonly ProtoField[], field: number): string | undefined {
  const found = bytesFields(fields, field).at(-1);
  return found && Buffer.from(found.buffer, found.byteOffset, found.length).toString('utf8');
}

/** All values of an integer field, packed or not, as signed 64-bit numbers. */
export function intFields(fields: readonly ProtoField[], field: number): number[] {
  return fields.flatMap((f) => {
    if (f.field !== field) return [];
    if (f.wire === WIRE.varint) return [Number(BigInt.asIntN(64, f.value))];
    return f.wire === WIRE.bytes ? unpackVarints(f.value) : [];
  });
}

/** Values of a packed repeated integer field. */
function unpackVarints(data: Uint8Array): number[] {
  const out: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of data) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128) continue;
    out.push(Number(BigInt.asIntN(64, value)));
    value = 0n;
    shift = 0n;
  }
  if (shift !== 0n) throw new RangeError('protobuf: a packed number is truncated');
  return out;
}

function tag(field: number, length: number): Uint8Array {
  return new Uint8Array([...varintBytes((field << 3) | WIRE.bytes), ...varintBytes(length)]);
}

function bytesOf(list: number[]): ProtoPart {
  return new ProtoPart([new Uint8Array(list)], list.length);
}

/** Bytes of a varint: seven bits per byte, least significant first. */
export function varintBytes(value: number | bigint | boolean): number[] {
  const out: number[] = [];
  if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
    let v = value;
    while (v >= 128) {
      out.push((v % 128) | 128);
      v = Math.floor(v / 128);
    }
    out.push(v);
    return out;
  }
  let v = BigInt.asUintN(64, BigInt(value));
  while (v >= 128n) {
    out.push(Number(v & 127n) | 128);
    v >>= 7n;
  }
  out.push(Number(v));
  return out;
}
