/**
 * Unpacks an archive of files: .zip, .tar, .tar.gz (POSIX ustar and pax, GNU long names). Only plain files and folders come
 * out; a link, or a name that leads out of the folder, is refused. Nothing is run.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { messageOf, UserError } from '../core/errors.js';
import { writeFileAtomic } from './files.js';
import { openZip } from './zip.js';

const BLOCK = 512;

/**
 * Files that are there already are left as they are.
 * @returns how many files were written
 * @throws UserError 'bad-archive'
 */
export function unpack(archive: string, folder: string): number {
  return /\.zip$/i.test(archive) ? unpackZip(archive, folder) : unpackTar(archive, folder);
}

function unpackZip(archive: string, folder: string): number {
  const zip = openZip(archive);
  let written = 0;
  try {
    for (const entry of zip.entries.values()) {
      if (!entry.name.endsWith('/')) written += put(archive, folder, entry.name, () => zip.read(entry));
    }
  } finally {
    zip.close();
  }
  return written;
}

function unpackTar(archive: string, folder: string): number {
  const bytes = tarBytes(archive);
  let written = 0;
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const header = bytes.subarray(at, at + BLOCK);
    const size = Number.parseInt(text(header, 124, 12).trim() || '0', 8);
    const from = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0 || from + size > bytes.length)
      throw new UserError('bad-archive', `${archive} is cut short or no tar archive`, 'fetch it again', 1);
    const body = bytes.subarray(from, from + size);
    const kind = String.fromCharCode(header[156] || 0x30);
    const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
    const name = longName ?? (prefix ? `${prefix}/${text(header, 0, 100)}` : text(header, 0, 100));
    if (kind === 'L') longName = text(body, 0, size);
    else if (kind === 'x') longName = /\d+ path=([^\n]*)\n/.exec(body.toString('utf8'))?.[1];
    else {
      if (kind === '0') written += put(archive, folder, name, () => body);
      else if (kind === '1' || kind === '2') refuse(archive, `${name} is a link`);
      longName = undefined;
    }
    at = from + Math.ceil(size / BLOCK) * BLOCK;
  }
  return written;
}

function tarBytes(archive: string): Buffer {
  const bytes = readFileSync(archive);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new UserError('bad-archive', `${archive} can't be unpacked: ${messageOf(error)}`, 'fetch it again', 1);
  }
}

function text(bytes: Buffer, from: number, length: number): string {
  const part = bytes.subarray(from, from + length);
  const end = part.indexOf(0);
  return part.toString('utf8', 0, end < 0 ? length : end);
}

function put(archive: string, folder: string, name: string, content: () => Uint8Array): number {
  const base = resolve(folder);
  const place = resolve(base, name);
  if (!place.startsWith(base + sep) || name.includes('\0')) refuse(archive, `${name} leads out of the folder`);
  if (existsSync(place)) return 0;
  mkdirSync(join(place, '..'), { recursive: true });
  writeFileAtomic(place, content());
  return 1;
}

function refuse(archive: string, why: string): never {
  throw new UserError('bad-archive', `${archive}: ${why}; such archives are refused`, undefined, 1);
}
