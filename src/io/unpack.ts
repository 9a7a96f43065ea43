/**
 * Unpacks an archive (.zip, .tar, .tar.gz) to a folder, file by file. Only regular files and folders are created. Links,
 * names outside of the folder (path traversal) and archives with an implausible ratio of compression (zip bombs) are refused.
 */
import { closeSync, createReadStream, mkdirSync, openSync, readSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { messageOf, UserError } from '../core/errors.js';
import { orCannotWrite } from './files.js';
import { looksLikeZip, openZip } from './zip.js';

/** Limits and callbacks of unpacking. */
export interface UnpackOptions {
  /** Maximum unpacked size in bytes; default: from the size of the archive and the free disk space. */
  maxBytes?: number;
  /** Called with the number of bytes unpacked so far. */
  onProgress?: (bytes: number) => void;
  /** Aborts with the signal's reason. */
  signal?: AbortSignal;
}

/** Maximum ratio of unpacked to packed size. Images are compressed already and labels shrink to about a fifth. */
const MAX_RATIO = 30;
/** The limit of unpacked bytes is never lower than this. */
const FLOOR_BYTES = 1e9;
/** Fraction of the free disk space that may be used. */
const FREE_PART = 0.95;
/** Bytes that each file adds to the count: even empty files use disk space. */
const DISK_BLOCK = 4096;
/** Milliseconds after which to yield to the event loop, which keeps locks alive and handles Ctrl-C. */
const YIELD_MS = 100;

/**
 * @param folder that contains nothing else; if this throws, its contents are incomplete
 * @returns number of files written
 * @throws UserError with exit code 1: 'bad-archive' if it is damaged or refused, 'archive-too-large', 'cannot-write'
 */
export async function unpack(archive: string, folder: string, options: UnpackOptions = {}): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const budget = new Budget(archive, folder, options);
  const head = firstBytes(archive, 4);
  if (looksLikeZip(head)) return unpackZip(archive, folder, budget);
  return unpackTar(archive, folder, budget, head[0] === 0x1f && head[1] === 0x8b);
}

async function unpackZip(archive: string, folder: string, budget: Budget): Promise<number> {
  const zip = openZip(archive);
  try {
    const entries = [...zip.entries.values()];
    budget.require(entries.reduce((sum, { size }) => sum + size + DISK_BLOCK, 0));
    let written = 0;
    for (const entry of entries) {
      const place = pathIn(archive, folder, entry.name);
      if (entry.name.endsWith('/')) makeFolder(archive, place, entry.name);
      else {
        const bytes = zip.read(entry);
        const file = createFile(archive, place, entry.name);
        try {
          writeTo(file, bytes);
        } finally {
          closeSync(file.fd);
        }
        written++;
      }
      budget.take(entry.size + DISK_BLOCK);
      await budget.yield();
    }
    return written;
  } finally {
    zip.close();
  }
}

async function unpackTar(archive: string, folder: string, budget: Budget, gzipped: boolean): Promise<number> {
  const tar = extract();
  const counted = new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      try {
        budget.take(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  const source = createReadStream(archive, { highWaterMark: 1 << 18 });
  const fed = gzipped ? pipeline(source, createGunzip(), counted, tar) : pipeline(source, counted, tar);
  fed.catch(() => {}); // awaited below
  let written = 0;
  try {
    for await (const entry of tar) {
      budget.take(DISK_BLOCK);
      if (await putTarEntry(archive, folder, entry.header, entry)) written++;
      await budget.yield();
    }
    await fed;
  } catch (error) {
    source.destroy();
    // If the input pipeline failed, its error is the cause; the reader of the archive reports only a premature end.
    const cause = await fed.then(() => error).catch((first: unknown) => (error instanceof UserError ? error : first));
    if (cause instanceof UserError) throw cause;
    throw new UserError(
      'bad-archive',
      `${archive} is truncated, damaged or not an archive: ${messageOf(cause)}`,
      'fetch it again',
      1,
    );
  }
  return written;
}

/** @returns whether it was a file */
async function putTarEntry(
  archive: string,
  folder: string,
  { name, type }: Header,
  content: AsyncIterable<unknown> & { resume(): void },
): Promise<boolean> {
  if (type === 'link' || type === 'symlink') throw refused(archive, `'${name}' is a link`);
  const place = pathIn(archive, folder, name);
  if (type === 'directory') makeFolder(archive, place, name);
  if (type !== 'file' && type !== 'contiguous-file') {
    content.resume();
    return false;
  }
  const file = createFile(archive, place, name);
  try {
    for await (const chunk of content) writeTo(file, chunk as Uint8Array);
  } finally {
    closeSync(file.fd);
  }
  return true;
}

/** Counts the unpacked bytes against the limit, reports progress and yields to the event loop. */
class Budget {
  private readonly limit: number;
  private readonly why: string;
  private readonly hint: string;
  private taken = 0;
  private lastYield = Date.now();

  constructor(
    private readonly archive: string,
    folder: string,
    private readonly options: UnpackOptions,
  ) {
    const { limit, why, hint } = unpackLimit(archive, folder, options.maxBytes);
    this.limit = limit;
    this.why = why;
    this.hint = hint;
  }

  /** @throws UserError 'archive-too-large' if `bytes`, the size stated by the archive, exceed the limit */
  require(bytes: number): void {
    if (bytes > this.limit) throw this.tooLarge(size(bytes));
  }

  /** Adds to the count. @throws UserError 'archive-too-large' */
  take(bytes: number): void {
    this.taken += bytes;
    if (this.taken > this.limit) throw this.tooLarge(`more than ${size(this.limit)}`);
    this.options.onProgress?.(this.taken);
  }

  async yield(): Promise<void> {
    if (Date.now() - this.lastYield < YIELD_MS) return;
    await new Promise((next) => setImmediate(next));
    this.options.signal?.throwIfAborted();
    this.lastYield = Date.now();
  }

  private tooLarge(bytes: string): UserError {
    return new UserError('archive-too-large', `${this.archive} unpacks to ${bytes}; ${this.why}`, this.hint, 1);
  }
}

function unpackLimit(archive: string, folder: string, given?: number): { limit: number; why: string; hint: string } {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize * FREE_PART;
  const packed = statSync(archive).size;
  const configured = given ?? configuredLimit();
  const limit = configured ?? Math.max(FLOOR_BYTES, MAX_RATIO * packed);
  if (free < limit) {
    const why = `the disk has room for ${size(free)}`;
    return { limit: free, why, hint: `free some space, or keep the dataset on another disk; it is for ${folder}` };
  }
  const why =
    configured === undefined
      ? `at most ${size(limit)} are accepted of an archive of ${size(packed)}`
      : `at most ${size(limit)} are accepted`;
  return { limit, why, hint: 'if you trust the archive, raise the limit: YOLO_MAX_UNPACKED_GB=100' };
}

/** Value of the environment variable YOLO_MAX_UNPACKED_GB, in bytes. */
function configuredLimit(): number | undefined {
  const text = process.env.YOLO_MAX_UNPACKED_GB;
  if (text === undefined || text === '') return undefined;
  const gigabytes = Number(text);
  if (gigabytes > 0) return gigabytes * 1e9;
  throw new UserError('bad-value', `YOLO_MAX_UNPACKED_GB must be a number over 0, got '${text}'`);
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function firstBytes(archive: string, count: number): Uint8Array {
  const head = new Uint8Array(count);
  const fd = openSync(archive, 'r');
  try {
    readSync(fd, head, 0, count, 0);
    return head;
  } finally {
    closeSync(fd);
  }
}

function pathIn(archive: string, folder: string, name: string): string {
  const base = resolve(folder);
  const inside = name.replaceAll('\\', '/');
  const place = resolve(base, inside);
  const escapes = inside.startsWith('/') || /^[a-z]:/i.test(inside) || name.includes('\0');
  if (escapes || !(place === base || place.startsWith(base + sep)))
    throw refused(archive, `'${name}' leads out of the folder`);
  return place;
}

interface NewFile {
  fd: number;
  place: string;
}

function createFile(archive: string, place: string, name: string): NewFile {
  makeFolder(archive, dirname(place), name);
  return { place, fd: inArchive(archive, name, place, () => openSync(place, 'w')) };
}

function makeFolder(archive: string, place: string, name: string): void {
  inArchive(archive, name, place, () => mkdirSync(place, { recursive: true }));
}

/**
 * @returns the result of `step`
 * @throws UserError 'bad-archive' if the name is invalid or both a file and a folder, 'cannot-write' for other errors
 */
function inArchive<T>(archive: string, name: string, place: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['EEXIST', 'ENOTDIR', 'EISDIR'].includes(code))
      throw refused(archive, `'${name}' conflicts with another entry: a path is both a file and a folder`);
    if (['ENAMETOOLONG', 'EINVAL', 'EILSEQ', 'ERR_INVALID_ARG_VALUE'].includes(code))
      throw refused(archive, `'${name.slice(0, 100)}' is not a valid file name`);
    return orCannotWrite(place, () => {
      throw error;
    });
  }
}

function writeTo({ fd, place }: NewFile, bytes: Uint8Array): void {
  orCannotWrite(place, () => {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  });
}

function refused(archive: string, why: string): UserError {
  return new UserError('bad-archive', `${archive}: ${why}; such archives are refused`, undefined, 1);
}
