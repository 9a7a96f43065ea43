/**
 * Writes zip files with uncompressed entries as a stream. The data of each entry is aligned to 64 bytes, as in PyTorch's
 * files, so that readers can map it into memory. Format: PKWARE APPNOTE 6.3.10.
 */
import { crc32 } from 'node:zlib';
import { UserError } from '../core/errors.js';
import { openAtomic } from './files.js';

const ALIGNMENT = 64;
/** Larger sizes and offsets would need zip64. */
const MAX_BYTES = 0xffff_fffe;
/** 1980-01-01, the format's first date: files with the same content are identical. */
const DATE = 0x21;
/** Bit 11: names are UTF-8. */
const FLAGS = 0x800;

/** An entry to be written. */
export interface StoredEntry {
  name: string;
  /** May be a getter; it is evaluated once, when the entry is written. */
  data: Uint8Array;
}

/**
 * Writes a zip file atomically.
 * @throws UserError 'cannot-write', also if the file would exceed 4 GB
 */
export function writeZip(path: string, entries: Iterable<StoredEntry>): void {
  const file = openAtomic(path);
  const refuseLarge = (size: number): void => {
    if (size > MAX_BYTES)
      throw new UserError('cannot-write', `cannot write ${path}: it would have over 4 GB`, undefined, 1);
  };
  try {
    const list: Buffer[] = [];
    for (const { name, data } of entries) {
      const at = file.size;
      refuseLarge(at + data.length + 2 * ALIGNMENT + Buffer.byteLength(name));
      const crc = crc32(data);
      file.write(localHeader(name, data.length, crc, at));
      file.write(data);
      list.push(centralHeader(name, data.length, crc, at));
    }
    const directory = Buffer.concat(list);
    const at = file.size;
    refuseLarge(at + directory.length);
    file.write(directory);
    file.write(endRecord(list.length, directory.length, at));
    file.commit();
  } finally {
    file.abort();
  }
}

/** Local header with an extra field as padding for the alignment of the data. */
function localHeader(name: string, size: number, crc: number, at: number): Buffer {
  const bytes = Buffer.from(name);
  const begin = at + 30 + bytes.length + 4;
  const padding = (ALIGNMENT - (begin % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(30 + bytes.length + 4 + padding);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(size, 18);
  header.writeUInt32LE(size, 22);
  header.writeUInt16LE(bytes.length, 26);
  header.writeUInt16LE(4 + padding, 28);
  bytes.copy(header, 30);
  header.write('FB', 30 + bytes.length, 'latin1');
  header.writeUInt16LE(padding, 32 + bytes.length);
  return header;
}

function centralHeader(name: string, size: number, crc: number, at: number): Buffer {
  const bytes = Buffer.from(name);
  const header = Buffer.alloc(46 + bytes.length);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt16LE(DATE, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(size, 20);
  header.writeUInt32LE(size, 24);
  header.writeUInt16LE(bytes.length, 28);
  header.writeUInt32LE(at, 42);
  bytes.copy(header, 46);
  return header;
}

function endRecord(count: number, size: number, at: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(at, 16);
  return record;
}
