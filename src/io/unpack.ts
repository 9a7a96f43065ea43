/**
 * Unpacks an archive of files into a folder of its own: .zip, .tar, .tar.gz, a file at a time, whatever the archive's size.
 * Only plain files and folders come out; a link, or a name that leads out of the folder, is refused, and so is an archive
 * that unpacks to far more than it is worth. Nothing is run.
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

export interface UnpackOptions {
  /** Most bytes that may come out; default: what the archive's size and the free disk space make believable. */
  maxBytes?: number;
  /** Told how many bytes have come out. */
  onProgress?: (bytes: number) => void;
  /** Ends it with its reason. */
  signal?: AbortSignal;
}

/** Images are packed already and labels shrink to a fifth: 30 times the archive is generous. */
const MAX_RATIO = 30;
/** So much is accepted of the smallest archive. */
const FLOOR_BYTES = 1e9;
/** The disk is not filled beyond this part of what is free. */
const FREE_PART = 0.95;
/** What a file takes at least: millions of empty files fill a disk, too. */
const DISK_BLOCK = 4096;
/** The event loop turns after so many milliseconds: locks are kept alive by it, and Ctrl-C is heard. */
const TURN_MS = 100;

/**
 * @param folder of the caller's own: when this throws, what is in it is of no use
 * @returns how many files were written
 * @throws UserError 'bad-archive', 'archive-too-large', 'cannot-write'
 */
export async function unpack(archive: string, folder: string, options: UnpackOptions = {}): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const room = new Room(archive, folder, options);
  const head = firstBytes(archive, 4);
  if (looksLikeZip(head)) return unpackZip(archive, folder, room);
  return unpackTar(archive, folder, room, head[0] === 0x1f && head[1] === 0x8b);
}

async function unpackZip(archive: string, folder: string, room: Room): Promise<number> {
  const zip = openZip(archive);
  try {
    const entries = [...zip.entries.values()];
    room.need(entries.reduce((sum, { size }) => sum + size + DISK_BLOCK, 0));
    let written = 0;
    for (const entry of entries) {
      const place = placeOf(archive, folder, entry.name);
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
      room.take(entry.size + DISK_BLOCK);
      await room.turn();
    }
    return written;
  } finally {
    zip.close();
  }
}

async function unpackTar(archive: string, folder: string, room: Room, gzipped: boolean): Promise<number> {
  const tar = extract();
  const counted = new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      try {
        room.take(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  const source = createReadStream(archive, { highWaterMark: 1 << 18 });
  const fed = gzipped ? pipeline(source, createGunzip(), counted, tar) : pipeline(source, counted, tar);
  fed.catch(() => {}); // waited for below
  let written = 0;
  try {
    for await (const entry of tar) {
      room.take(DISK_BLOCK);
      if (await putTarEntry(archive, folder, entry.header, entry)) written++;
      await room.turn();
    }
    await fed;
  } catch (error) {
    source.destroy();
    // What stopped the feeding is the reason; the archive's reader only says that nothing more came.
    const cause = await fed.then(() => error).catch((first: unknown) => (error instanceof UserError ? error : first));
    if (cause instanceof UserError) throw cause;
    throw new UserError(
      'bad-archive',
      `${archive} is cut short, damaged or no archive: ${messageOf(cause)}`,
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
  const place = placeOf(archive, folder, name);
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

/** Counts what comes out. */
class Room {
  private readonly limit: number;
  private readonly why: string;
  private readonly hint: string;
  private taken = 0;
  private lastTurn = Date.now();

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

  /** Refuses an archive that says beforehand that it is too large. */
  need(bytes: number): void {
    if (bytes > this.limit) throw this.tooLarge(size(bytes));
  }

  take(bytes: number): void {
    this.taken += bytes;
    if (this.taken > this.limit) throw this.tooLarge(`more than ${size(this.limit)}`);
    this.options.onProgress?.(this.taken);
  }

  async turn(): Promise<void> {
    if (Date.now() - this.lastTurn < TURN_MS) return;
    await new Promise((next) => setImmediate(next));
    this.options.signal?.throwIfAborted();
    this.lastTurn = Date.now();
  }

  private tooLarge(bytes: string): UserError {
    return new UserError('archive-too-large', `${this.archive} unpacks to ${bytes}; ${this.why}`, this.hint, 1);
  }
}

function unpackLimit(archive: string, folder: string, given?: number): { limit: number; why: string; hint: string } {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize * FREE_PART;
  const packed = statSync(archive).size;
  const asked = given ?? limitAsked();
  const believable = asked ?? Math.max(FLOOR_BYTES, MAX_RATIO * packed);
  if (free < believable) {
    const why = `the disk has room for ${size(free)}`;
    return { limit: free, why, hint: `free some space, or keep the dataset on another disk; it is for ${folder}` };
  }
  const why =
    asked === undefined
      ? `at most ${size(believable)} are accepted of an archive of ${size(packed)}`
      : `at most ${size(asked)} are accepted`;
  return { limit: believable, why, hint: 'if you trust the archive, raise the limit: YOLO_MAX_UNPACKED_GB=100' };
}

/** What the environment variable YOLO_MAX_UNPACKED_GB says, in bytes. */
function limitAsked(): number | undefined {
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

function placeOf(archive: string, folder: string, name: string): string {
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

/** Faults of the disk are told as such; a name that is both a file and a folder is the archive's fault. */
function inArchive<T>(archive: string, name: string, place: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['EEXIST', 'ENOTDIR', 'EISDIR'].includes(code))
      throw refused(archive, `'${name}' is in the way of another of its files, or lies in one`);
    if (['ENAMETOOLONG', 'EINVAL', 'EILSEQ', 'ERR_INVALID_ARG_VALUE'].includes(code))
      throw refused(archive, `'${name.slice(0, 100)}' is no name for a file`);
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
