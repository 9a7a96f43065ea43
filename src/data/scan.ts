/**
 * Looks at many images and label files: sizes from headers, rows from text. The reading is synchronous, which is many
 * times faster than promises for small files, and runs in a few worker threads when there is much of it.
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

export interface ScanItem {
  path: string;
  /** Undefined: there is none. */
  labelFile?: string;
}

export interface ScanEntry {
  /** Pixels, upright; 0 when the image is broken. */
  width: number;
  height: number;
  /** Left out: the image or its labels are broken. */
  corrupt: boolean;
  /** Rows of 5: class, cx, cy, w, h. */
  labels: Float32Array;
  polygons: number;
  duplicates: number;
  findings: Finding[];
  /** What was found comes from the state of the system, not from what is in the files: not to be remembered. */
  transient: boolean;
}

/** Under this many images starting threads takes longer than reading. */
const WORTH_THREADS = 3000;
const CHUNK = 500;
/** Images smaller than this can't be learnt from; the reference leaves them out as well. */
const MIN_SIDE = 10;

/** Looks at every item; results stand in the items' order. */
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
  if (items.length >= WORTH_THREADS) return scanInThreads(chunks, tell);
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

/** What a thread is given at a time. */
export interface Chunk {
  items: ScanItem[];
  /** Number of classes. */
  nc: number;
}

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
      const message = 'the image ends too early; it is used as far as it goes';
      findings.push({ kind: 'truncated-image', severity: 'warning', file: path, message });
    }
    if (width < MIN_SIDE || height < MIN_SIDE)
      return bad('small-image', `${width} x ${height} pixels; at least ${MIN_SIDE} are needed each way`);
    return { width, height };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'missing-file') return bad('missing-image', 'there is no such image');
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
    if (!info.isFile()) throw new Error(`is ${kindOfFile(info)}, no label file`);
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
