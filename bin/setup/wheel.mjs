/**
 * Reads Python wheels, which are zip archives: extracts single files as streams, because TensorFlow's libraries have 850 MB,
 * and verifies size and checksum.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

/** SHA-256 of a file. @param {(done: number) => void} [onBytes] called with the bytes read @returns {Promise<string>} hex */
export async function sha256(file, onBytes = () => {}) {
  const hash = createHash('sha256');
  let done = 0;
  for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) {
    hash.update(part);
    done += part.length;
    onBytes(done);
  }
  return hash.digest('hex');
}

/**
 * Reads the central directory: name → { method, crc, packed, size, at }, sizes in bytes. Zip64 is not supported: wheels
 * under 4 GB do not use it.
 * @throws Error when the file is truncated or not a zip archive
 */
export function readDirectory(file) {
  const fd = openSync(file, 'r');
  try {
    const bytes = fstatSync(fd).size;
    const tail = read(fd, Math.max(0, bytes - 65557), Math.min(bytes, 65557));
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (end < 0) throw new Error('it has no zip directory: the file is truncated or not a wheel');
    const [size, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
    if (start + size > bytes) throw new Error('its zip directory lies outside the file');
    return parseDirectory(read(fd, start, size));
  } finally {
    closeSync(fd);
  }
}

function parseDirectory(directory) {
  const entries = new Map();
  for (let p = 0; p < directory.length; ) {
    if (directory.readUInt32LE(p) !== 0x02014b50) throw new Error('its zip directory is damaged');
    const [name, extra, comment] = [28, 30, 32].map((at) => directory.readUInt16LE(p + at));
    entries.set(directory.toString('utf8', p + 46, p + 46 + name), {
      method: directory.readUInt16LE(p + 10),
      crc: directory.readUInt32LE(p + 16),
      packed: directory.readUInt32LE(p + 20),
      size: directory.readUInt32LE(p + 24),
      at: directory.readUInt32LE(p + 42),
    });
    p += 46 + name + extra + comment;
  }
  return entries;
}

/**
 * Writes one entry to `target`.
 * @param {(bytes: number) => void} [onBytes] called with the bytes of each piece
 * @throws when size or checksum are not what the directory says
 */
export async function extract(file, entry, target, onBytes = () => {}) {
  mkdirSync(dirname(target), { recursive: true });
  const fd = openSync(file, 'r');
  const header = read(fd, entry.at, 30);
  closeSync(fd);
  if (header.readUInt32LE(0) !== 0x04034b50) throw new Error('an entry of the wheel is damaged');
  const start = entry.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  let crc = 0;
  let size = 0;
  const check = new Transform({
    transform(part, _, done) {
      crc = crc32(part, crc);
      size += part.length;
      onBytes(part.length);
      done(null, part);
    },
  });
  const end = start + entry.packed - 1;
  const steps = [entry.packed ? createReadStream(file, { start, end, highWaterMark: 1 << 20 }) : Readable.from([])];
  if (entry.method === 8) steps.push(createInflateRaw({ chunkSize: 1 << 20 }));
  else if (entry.method !== 0) throw new Error(`an entry is packed by method ${entry.method}, not by deflate`);
  await pipeline(...steps, check, createWriteStream(target));
  if (size !== entry.size || crc !== entry.crc) throw new Error('an entry of the wheel fails its checksum');
}

function read(fd, at, length) {
  const buffer = Buffer.alloc(length);
  const got = readSync(fd, buffer, 0, length, at);
  if (got !== length) throw new Error('the file is cut off');
  return buffer;
}
