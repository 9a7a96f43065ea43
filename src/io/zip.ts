/**
 * Reads zip files by random access: the central directory when the file is opened, an entry when it is requested, so that
 * only the entries in use are in memory. Stored and deflated entries, zip64, checksums. Format: PKWARE APPNOTE 6.3.10.
 * All sizes and offsets are checked before memory is allocated, and overlapping entries are refused (zip bombs: Fifield,
 * "A better zip bomb", WOOT 2019).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';
import { messageOf, UserError } from '../core/errors.js';

/** An entry of the central directory. */
export interface ZipEntry {
  name: string;
  /** Uncompressed size, bytes. */
  size: number;
  compressedSize: number;
  /** 0 stored, 8 deflated. */
  method: number;
  crc: number;
  /** Of the local header in the file. */
  offset: number;
}

/** An open zip file. */
export interface Zip {
  readonly path: string;
  /** Entries by name, in the order of the central directory. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /**
   * @param limit maximum uncompressed size, default 2 GB
   * @returns the uncompressed data
   * @throws UserError 'bad-zip' if the entry is damaged, larger than `limit`, or compressed by an unknown method
   */
  read(entry: ZipEntry, limit?: number): Uint8Array<ArrayBuffer>;
  close(): void;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** The list of contents of a file with 100,000 entries is about 10 MB. */
const MAX_DIRECTORY_BYTES = 1 << 28;
/** Deflate cannot pack tighter than 1032 to 1 (zlib's own figure). */
const MAX_RATIO = 1032;
/** What an entry may unpack to when the caller says nothing. */
const DEFAULT_LIMIT = 2 ** 31;

/** Whether a file is a zip file by its first bytes. */
export function looksLikeZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));
}

/** @throws UserError 'bad-zip' if it is not a zip file, or truncated or inconsistent; 'missing-file' if it cannot be opened */
export function openZip(path: string): Zip {
  const fd = openFile(path);
  try {
    const source = { path, fd, size: fstatSync(fd).size };
    const entries = readDirectory(source);
    return {
      path,
      entries,
      read: (entry, limit = DEFAULT_LIMIT) => readEntry(source, entry, limit),
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

interface Source {
  path: string;
  fd: number;
  size: number;
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new UserError('missing-file', `cannot open ${path}: ${messageOf(error)}`, 'check the path');
  }
}

function bad(source: Source, what: string): UserError {
  return new UserError(
    'bad-zip',
    `${source.path}: ${what}`,
    'the file is damaged or was only partly copied: fetch it again',
  );
}

function readAt(source: Source, offset: number, length: number): Buffer<ArrayBuffer> {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size))
    throw bad(source, `bytes ${offset} to ${offset + length} are expected, the file has ${source.size}`);
  const out = Buffer.from(new ArrayBuffer(length));
  for (let got = 0; got < length; ) {
    const n = readSync(source.fd, out, got, Math.min(length - got, 1 << 30), offset + got);
    if (n === 0) throw bad(source, 'the file was truncated while it was read');
    got += n;
  }
  return out;
}

/** Reads and checks the central directory. */
function readDirectory(source: Source): Map<string, ZipEntry> {
  const { count, size, offset } = findDirectory(source);
  if (size > MAX_DIRECTORY_BYTES || count * 46 > size)
    throw bad(source, `its list of contents claims ${count} entries in ${size} bytes`);
  const list = readAt(source, offset, size);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || list.readUInt32LE(at) !== CENTRAL)
      throw bad(source, `entry ${i} of its list of contents is damaged`);
    const lengths = [list.readUInt16LE(at + 28), list.readUInt16LE(at + 30), list.readUInt16LE(at + 32)];
    const next = at + 46 + lengths[0] + lengths[1] + lengths[2];
    if (next > size) throw bad(source, `entry ${i} of its list of contents is cut off`);
    const entry = parseEntry(source, list.subarray(at, next), lengths[0], lengths[1]);
    if (entries.has(entry.name)) throw bad(source, `'${entry.name}' is in it twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  refuseOverlaps(source, entries, offset);
  return entries;
}

/** Finds the central directory by the end record (and its zip64 form if needed). */
function findDirectory(source: Source): { count: number; size: number; offset: number } {
  const tailAt = Math.max(0, source.size - 65557);
  const tail = readAt(source, tailAt, source.size - tailAt);
  let at = tail.length - 22;
  while (at >= 0 && !(tail.readUInt32LE(at) === END && at + 22 + tail.readUInt16LE(at + 20) === tail.length)) at--;
  if (at < 0) {
    const head = readAt(source, 0, Math.min(4, source.size));
    throw bad(source, looksLikeZip(head) ? 'the end of the file is missing' : 'this is not a zip file');
  }
  const found = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  const needs64 = found.count === 0xffff || found.size === 0xffffffff || found.offset === 0xffffffff;
  if (!needs64 && (tail.readUInt16LE(at + 4) || tail.readUInt16LE(at + 8) !== found.count))
    throw bad(source, 'it is one part of several');
  const locatorAt = tailAt + at - 20;
  if (!needs64 || locatorAt < 0) return found;
  const locator = readAt(source, locatorAt, 20);
  if (locator.readUInt32LE(0) !== END64_LOCATOR) return found;
  const end = readAt(source, safe(source, locator.readBigUInt64LE(8)), 56);
  if (end.readUInt32LE(0) !== END64) throw bad(source, 'its 64-bit end record is damaged');
  return {
    count: safe(source, end.readBigUInt64LE(32)),
    size: safe(source, end.readBigUInt64LE(40)),
    offset: safe(source, end.readBigUInt64LE(48)),
  };
}

function parseEntry(source: Source, record: Buffer, nameLength: number, extraLength: number): ZipEntry {
  const name = record.toString(record.readUInt16LE(8) & 0x800 ? 'utf8' : 'latin1', 46, 46 + nameLength);
  const entry = {
    name,
    method: record.readUInt16LE(10),
    crc: record.readUInt32LE(16),
    compressedSize: record.readUInt32LE(20),
    size: record.readUInt32LE(24),
    offset: record.readUInt32LE(42),
  };
  if (record.readUInt16LE(8) & 1) throw bad(source, `'${name}' is encrypted`);
  widen(source, entry, record.subarray(46 + nameLength, 46 + nameLength + extraLength));
  const { size, compressedSize, method } = entry;
  if (method === 0 ? size !== compressedSize : size > MAX_RATIO * compressedSize + 64)
    throw bad(source, `'${name}' claims an impossible size: ${size} bytes from ${compressedSize} compressed ones`);
  if (entry.offset + 30 + compressedSize > source.size) throw bad(source, `'${name}' lies beyond the end of the file`);
  return entry;
}

/** Replaces fields whose bits are all ones by the 64-bit values of the zip64 extra record. */
function widen(source: Source, entry: ZipEntry, extra: Buffer): void {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && end <= extra.length) {
      let from = at + 4;
      for (const key of ['size', 'compressedSize', 'offset'] as const) {
        if (entry[key] !== 0xffffffff) continue;
        if (from + 8 > end) throw bad(source, `the 64-bit sizes of '${entry.name}' are missing`);
        entry[key] = safe(source, extra.readBigUInt64LE(from));
        from += 8;
      }
    }
    at = end;
  }
}

function safe(source: Source, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad(source, `it contains an offset or size of ${value} bytes`);
  return Number(value);
}

/** With overlapping entries a small file could unpack to an enormous size. */
function refuseOverlaps(source: Source, entries: Map<string, ZipEntry>, listAt: number): void {
  const sorted = [...entries.values()].sort((a, b) => a.offset - b.offset);
  sorted.forEach((entry, i) => {
    const end = entry.offset + 30 + Buffer.byteLength(entry.name, 'latin1') + entry.compressedSize;
    const next = sorted[i + 1];
    if (end > (next ? next.offset : listAt))
      throw bad(source, `'${entry.name}' overlaps ${next ? `'${next.name}'` : 'the list of contents'} (a zip bomb?)`);
  });
}

function readEntry(source: Source, entry: ZipEntry, limit: number): Uint8Array<ArrayBuffer> {
  if (entry.size > limit)
    throw bad(
      source,
      `'${entry.name}' would unpack to ${entry.size} bytes; at most ${limit} are accepted (a zip bomb?)`,
    );
  const local = readAt(source, entry.offset, 30);
  if (local.readUInt32LE(0) !== LOCAL) throw bad(source, `the header of '${entry.name}' is damaged`);
  const at = entry.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  const packed = readAt(source, at, entry.compressedSize);
  const data = unpack(source, entry, packed);
  if (crc32(data) !== entry.crc) throw bad(source, `the checksum of '${entry.name}' does not match`);
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

function unpack(source: Source, entry: ZipEntry, packed: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  if (entry.method === 0) return packed;
  if (entry.method !== 8)
    throw bad(source, `'${entry.name}' is compressed by method ${entry.method}; supported are stored and deflated`);
  let data: Buffer<ArrayBuffer>;
  try {
    data = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.size) }) as Buffer<ArrayBuffer>;
  } catch (error) {
    const more = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw bad(
      source,
      more
        ? `'${entry.name}' unpacks to more than it claims (a zip bomb?)`
        : `'${entry.name}' cannot be unpacked: ${messageOf(error)}`,
    );
  }
  if (data.length !== entry.size)
    throw bad(source, `'${entry.name}' has ${data.length} bytes, but ${entry.size} were expected`);
  return data;
}
