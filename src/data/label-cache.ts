/**
 * labels.cache: the results of a scan, so that unchanged files are not scanned again. File format: 8 bytes of magic,
 * CRC-32 of the rest, length of a JSON header, the header, then all label rows as float32. A file that is damaged, of
 * another version or of another number of classes is ignored. An entry is valid while size and modification time of image
 * and label file are unchanged; transient results (a missing disk, missing permissions) are not stored.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { LABEL } from '../core/boxes.js';
import { cacheDir } from '../core/cache-dir.js';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import { writeFileAtomic } from '../io/files.js';
import type { Finding } from './finding.js';
import { PARSER_VERSION } from './labels.js';
import type { ScanEntry } from './scan.js';

/** Size and modification time of the image and of its label file (−1, −1 when there is none). */
export type Stamp = [imageSize: number, imageTime: number, labelSize: number, labelTime: number];

/** A result of the scan, and the stamp for which it is valid. */
export interface CachedEntry {
  stamp: Stamp;
  entry: ScanEntry;
}

interface Header {
  parser: number;
  nc: number;
  images: string[];
  /** 4 numbers for each entry. */
  stamps: number[];
  /** For each entry: width, height, corrupt, rows, polygons, duplicates. */
  facts: number[];
  /** Index of the entry, findings. */
  findings: [number, Finding[]][];
}

const MAGIC = 'YOLOLBL1';

/** Reads the first usable cache file. @param nc number of classes @returns entries by path of the image; empty without a cache */
export function readLabelCache(files: string[], nc: number): Map<string, CachedEntry> {
  for (const file of files) {
    if (!existsSync(file)) continue;
    try {
      const entries = decode(readFileSync(file), nc);
      if (entries) return entries;
    } catch (error) {
      log.debug(`${file} is damaged (${messageOf(error)}) and will be written again`);
    }
  }
  return new Map();
}

/** Writes the first of the files that is writable. @returns its path; undefined when none is, which is not an error */
export function writeLabelCache(files: string[], nc: number, entries: Map<string, CachedEntry>): string | undefined {
  const bytes = encode(entries, nc);
  for (const file of files) {
    try {
      writeFileAtomic(file, bytes);
      return file;
    } catch (error) {
      log.debug(`labels.cache: ${messageOf(error)}`);
    }
  }
  return undefined;
}

/** @returns paths of the cache in order of preference: beside the labels, and in the user's cache folder */
export function labelCacheFiles(firstLabel: string, sources: string[]): string[] {
  const folder = dirname(firstLabel);
  const plain = sources.length === 1 && !/\.(txt|csv)$/i.test(sources[0]);
  const key = createHash('sha256')
    .update([folder, ...sources].join('\0'))
    .digest('hex')
    .slice(0, 16);
  const own = join(folder, plain ? 'labels.cache' : `labels-${key.slice(0, 8)}.cache`);
  const shared = join(cacheDir(), 'labels', `${key}.cache`);
  return writable(folder) ? [own, shared] : [shared, own];
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function encode(entries: Map<string, CachedEntry>, nc: number): Buffer {
  const header: Header = { parser: PARSER_VERSION, nc, images: [], stamps: [], facts: [], findings: [] };
  const rows: Buffer[] = [];
  for (const [image, { stamp, entry }] of entries) {
    if (entry.transient) continue;
    if (entry.findings.length) header.findings.push([header.images.length, entry.findings]);
    header.images.push(image);
    header.stamps.push(...stamp);
    const { width, height, corrupt, labels, polygons, duplicates } = entry;
    header.facts.push(width, height, corrupt ? 1 : 0, labels.length / LABEL, polygons, duplicates);
    if (labels.length) rows.push(Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength));
  }
  const json = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(16);
  start.write(MAGIC, 'latin1');
  const body = Buffer.concat([start.subarray(12), json, ...rows]);
  body.writeUInt32LE(json.length, 0);
  start.writeUInt32LE(crc32(body), 8);
  return Buffer.concat([start.subarray(0, 12), body]);
}

function decode(file: Buffer, nc: number): Map<string, CachedEntry> | undefined {
  if (file.length < 16 || file.toString('latin1', 0, 8) !== MAGIC) throw new Error('not a label cache');
  if (crc32(file.subarray(12)) !== file.readUInt32LE(8)) throw new Error('the checksum is wrong');
  const length = file.readUInt32LE(12);
  const header = JSON.parse(file.toString('utf8', 16, 16 + length)) as Header;
  if (header.parser !== PARSER_VERSION || header.nc !== nc) return undefined;
  const rows = new Float32Array(file.buffer.slice(file.byteOffset + 16 + length, file.byteOffset + file.length));
  const findings = new Map(header.findings);
  const entries = new Map<string, CachedEntry>();
  let at = 0;
  header.images.forEach((image, i) => {
    const [width, height, corrupt, count, polygons, duplicates] = header.facts.slice(6 * i, 6 * i + 6);
    const labels = rows.subarray(at, at + LABEL * count);
    at += LABEL * count;
    const entry = {
      width,
      height,
      corrupt: corrupt === 1,
      labels,
      polygons,
      duplicates,
      findings: findings.get(i) ?? [],
      transient: false,
    };
    entries.set(image, { stamp: header.stamps.slice(4 * i, 4 * i + 4) as Stamp, entry });
  });
  return entries;
}
