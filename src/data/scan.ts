/**
 * Scans images and label files: sizes from image headers, rows from label files. Files are read synchronously, which is
 * several times faster than promises for small files, and in worker threads when there are many.
 */
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { messageOf, UserError } from '../core/errors.js';
import { decodeImage, readImageSize } from '../image/codec.js';
import { readImageHeader } from '../image/header.js';
import { imageTooLarge, pixelLimit } from '../image/pixel-limit.js';
import { kindOfFile } from '../io/files.js';
import type { Finding } from './finding.js';
import { type ParsedLabels, parseLabels } from './labels.js';

/** An image to scan. */
export interface ScanItem {
  path: string;
  /** Undefined when there is no label file. */
  labelFile?: string;
}

/** The result for an image. */
export interface ScanEntry {
  /** Pixels, after EXIF rotation; 0 when the image is broken. */
  width: number;
  height: number;
  /** The image or its labels are broken: the image is excluded. */
  corrupt: boolean;
  /** [M, 5] class cx cy w h in 0..1. */
  labels: Float32Array;
  /** Number of rows that were polygons, and of dropped duplicate rows. */
  polygons: number;
  duplicates: number;
  findings: Finding[];
  /** The findings depend on the state of the system, not only on the contents of the files: not to be cached. */
  transient: boolean;
}

/** Below this number of images, starting threads takes longer than scanning. */
const MIN_FOR_THREADS = 3000;
const CHUNK = 500;
/** Minimum width and height of an image, pixels (as in Ultralytics 8.4, verify_image). */
const MIN_SIDE = 10;

/** Scans all items. @param nc number of classes @returns one entry for each item, in order */
export async function scan(items: ScanItem[], nc: number, onProgress?: (done: number) => void): Promise<ScanEntry[]> {
  const chunks = Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, i) => ({
    items: items.slice(i * CHUNK, (i + 1) * CHUNK),
    nc,
  }));
  let done = 0;
  const tell = (entries: ScanEntry[]): ScanEntry[] => {
    done += entries.length;
    onProgress?.(done);
    return entries;
  };
  if (items.length >= MIN_FOR_THREADS) return scanInThreads(chunks, tell);
  const entries: ScanEntry[] = [];
  for (const chunk of chunks) {
    entries.push(...tell(await scanChunk(chunk)));
    await new Promise((next) => setImmediate(next));
  }
  return entries;
}

async function scanInThreads(chunks: Chunk[], tell: (entries: ScanEntry[]) => ScanEntry[]): Promise<ScanEntry[]> {
  const { startThreads } = await import('./thread-pool.js');
  const threads = Math.min(8, Math.max(2, availableParallelism()));
  const pool = startThreads('scan-worker.js', { threads }, scanChunk);
  try {
    return (await Promise.all(chunks.map(async (chunk) => tell(await pool.run(chunk))))).flat();
  } finally {
    await pool.close();
  }
}

/** Items that a thread scans in one task. */
export interface Chunk {
  items: ScanItem[];
  /** Number of classes. */
  nc: number;
}

/** Scans the items of a chunk, in this thread. */
export async function scanChunk({ items, nc }: Chunk): Promise<ScanEntry[]> {
  const entries: ScanEntry[] = [];
  for (const item of items) entries.push(await scanOne(item, nc));
  return entries;
}

const TRANSIENT = new Set<Finding['kind']>(['missing-image', 'unreadable-image', 'large-image', 'unreadable-label']);

async function scanOne(item: ScanItem, nc: number): Promise<ScanEntry> {
  const findings: Finding[] = [];
  const size = await checkImage(item.path, findings);
  const labels = item.labelFile ? readLabels(item.labelFile, nc, findings) : NO_LABELS;
  const corrupt = findings.some((finding) => finding.severity === 'corrupt');
  return {
    ...size,
    corrupt,
    labels: corrupt ? new Float32Array(0) : labels.rows,
    polygons: corrupt ? 0 : labels.polygons,
    duplicates: labels.duplicates,
    findings,
    transient: findings.some(({ kind }) => TRANSIENT.has(kind)),
  };
}

async function checkImage(path: string, findings: Finding[]): Promise<{ width: number; height: number }> {
  const bad = (kind: Finding['kind'], message: string): { width: number; height: number } => {
    findings.push({ kind, severity: 'corrupt', file: path, message });
    return { width: 0, height: 0 };
  };
  try {
    const header = readImageHeader(path);
    const { width, height } = header ?? (await readImageSize(path));
    const limit = pixelLimit();
    if (width * height > limit) throw imageTooLarge(path, limit, { width, height });
    if (header?.suspicious && !(await isWhole(path))) {
      await decodeImage(path, { acceptTruncated: true });
      const message = 'the image is truncated; the missing part is grey';
      findings.push({ kind: 'truncated-image', severity: 'warning', file: path, message });
    }
    if (width < MIN_SIDE || height < MIN_SIDE)
      return bad('small-image', `${width} x ${height} pixels; at least ${MIN_SIDE} x ${MIN_SIDE} are required`);
    return { width, height };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'missing-file') return bad('missing-image', 'the image does not exist');
    const why =
      error instanceof UserError ? error.message.replace(`${path} `, '').replace(`${path}: `, '') : messageOf(error);
    if (code === 'image-too-large') return bad('large-image', why);
    return bad(error instanceof UserError && code === 'broken-image' ? 'broken-image' : 'unreadable-image', why);
  }
}

async function isWhole(path: string): Promise<boolean> {
  try {
    await decodeImage(path);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.code === 'broken-image') return false;
    throw error;
  }
}

const NO_LABELS: ParsedLabels = { rows: new Float32Array(0), polygons: 0, duplicates: 0, findings: [] };

function readLabels(file: string, nc: number, findings: Finding[]): ParsedLabels {
  let text: string;
  try {
    const info = statSync(file);
    if (!info.isFile()) throw new Error(`is ${kindOfFile(info)}, not a label file`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    findings.push({ kind: 'unreadable-label', severity: 'corrupt', file, message: messageOf(error) });
    return NO_LABELS;
  }
  const parsed = parseLabels(text, nc);
  for (const { corrupt, ...finding } of parsed.findings)
    findings.push({ ...finding, severity: corrupt ? 'corrupt' : 'warning', file });
  return parsed;
}
