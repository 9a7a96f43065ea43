/**
 * cache=disk: decoded and resized images as raw files in the per-user cache, never beside the user's images. The name of
 * a file is a hash of the image's path, size and modification time, so that a changed image is decoded again. A checksum
 * at the end detects files that were not written completely.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { cacheDir } from '../core/cache-dir.js';

const CHECKSUM_BYTES = 4;

/** @returns the folder of cache=disk */
export function imageCacheDir(): string {
  return join(cacheDir(), 'images');
}

/** @returns the cache file of the image at `path`, resized to width x height */
export function diskName(folder: string, path: string, width: number, height: number): string {
  const { size, mtimeMs } = statSync(path);
  const key = createHash('sha256').update(`${path}\n${size}\n${mtimeMs}\n${width}x${height}`).digest('hex');
  return join(folder, key.slice(0, 2), `${key.slice(2, 34)}.rgb`);
}

/** Reads a cache file into `out`, [height, width, 3]. @returns false when the file is absent or damaged */
export function readImage(file: string, out: Uint8Array): boolean {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return false;
  }
  try {
    const sum = Buffer.alloc(CHECKSUM_BYTES);
    const whole = readSync(fd, out, 0, out.length, 0) === out.length;
    return (
      whole && readSync(fd, sum, 0, CHECKSUM_BYTES, out.length) === CHECKSUM_BYTES && sum.readUInt32LE() === crc32(out)
    );
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a cache file under a temporary name and renames it. It is not flushed to disk: the checksum detects what is lost.
 * Errors, such as a full disk, are ignored.
 */
export function writeImage(file: string, data: Uint8Array): void {
  const temporary = `${file}.${process.pid}-${threadId}.part`;
  const sum = Buffer.alloc(CHECKSUM_BYTES);
  sum.writeUInt32LE(crc32(data));
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(temporary, Buffer.concat([data, sum]));
    renameSync(temporary, file);
  } catch {
    rmSync(temporary, { force: true });
  }
}
