/**
 * safetensors (https://github.com/huggingface/safetensors): 8 bytes header length, a JSON header (name → dtype, shape,
 * data_offsets; `__metadata__` holds strings), then the data, little-endian, without gaps. Such a file contains no code;
 * invalid headers (overlaps, offsets outside the file, sizes that do not match) are refused.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, UserError } from '../core/errors.js';
import { openAtomic } from './files.js';
import { bytesOf, type Dtype, elementBytes, isDtype, type RawArray, rawArray } from './typed.js';

/** A tensor with its data. */
export interface StoredTensor {
  dtype: Dtype;
  shape: number[];
  /** Typed array of the dtype; F16 and BF16 as bits in a Uint16Array. May be a getter, evaluated again when it is written. */
  data: RawArray;
}

/** Contents of a file. */
export interface Safetensors {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/** Selection of tensors. */
export interface ReadOptions {
  /** Read only these tensors; default: all. */
  only?: (name: string) => boolean;
}

/** Limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  from: number;
  to: number;
}

/** @throws UserError 'bad-safetensors' if the file is damaged or inconsistent, 'missing-file' if it cannot be opened */
export function readSafetensors(path: string, options: ReadOptions = {}): Safetensors {
  const { tensors, metadata, close } = openSafetensors(path);
  try {
    const selected = [...tensors].filter(([name]) => options.only?.(name) ?? true);
    const read = selected.map(([name, t]): [string, StoredTensor] => [
      name,
      { dtype: t.dtype, shape: t.shape, data: t.read() },
    ]);
    return { tensors: new Map(read), metadata };
  } finally {
    close();
  }
}

/** A tensor in an open file; each call of `read` reads its data from the file. */
export interface UnreadTensor {
  dtype: Dtype;
  shape: number[];
  read(): RawArray;
}

/** An open file. */
export interface OpenSafetensors {
  tensors: Map<string, UnreadTensor>;
  metadata: Record<string, string>;
  close(): void;
}

/**
 * Reads the header; the data of a tensor is read on request. The file is kept open until `close`, so that its contents stay
 * the same even if it is replaced meanwhile (by a training run).
 * @throws UserError as `readSafetensors`
 */
export function openSafetensors(path: string): OpenSafetensors {
  const fd = open(path);
  try {
    const read: ReadAt = (offset, length) => readAt(path, fd, offset, length);
    return { ...parse(path, fstatSync(fd).size, read), close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Reads the format from memory.
 * @param name of the source, for messages
 * @throws UserError 'bad-safetensors'
 */
export function decodeSafetensors(bytes: Uint8Array, name: string): Safetensors {
  const read: ReadAt = (offset, length) => bytes.slice(offset, offset + length);
  const { tensors, metadata } = parse(name, bytes.length, read);
  return {
    tensors: new Map([...tensors].map(([key, t]) => [key, { dtype: t.dtype, shape: t.shape, data: t.read() }])),
    metadata,
  };
}

/** Reads bytes that are known to exist. */
type ReadAt = (offset: number, length: number) => Uint8Array<ArrayBuffer>;

function parse(path: string, size: number, read: ReadAt): Omit<OpenSafetensors, 'close'> {
  const { entries, metadata, start } = readHeader(path, size, read);
  const tensors = entries.map(({ name, dtype, shape, from, to }): [string, UnreadTensor] => [
    name,
    { dtype, shape, read: () => rawArray(dtype, read(start + from, to - from)) },
  ]);
  return { tensors: new Map(tensors), metadata };
}

/** Whether a file is safetensors by its first bytes: a plausible header length, then a JSON object. */
export function looksLikeSafetensors(head: Uint8Array): boolean {
  if (head.length < 10) return false;
  const length = Buffer.from(head.buffer, head.byteOffset, 8).readBigUInt64LE();
  return head[8] === 0x7b && length >= 2n && length <= BigInt(MAX_HEADER_BYTES);
}

/**
 * Writes a file atomically. Tensors are ordered by descending element size, so that each is aligned.
 * @throws UserError 'cannot-write'
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: StoredTensor]>,
  metadata: Record<string, string> = {},
): void {
  const { header, list } = layOut(tensors, metadata);
  const file = openAtomic(path);
  try {
    file.write(header);
    for (const { data } of list) file.write(bytesOf(data));
    file.commit();
  } finally {
    file.abort();
  }
}

/** The bytes that `writeSafetensors` writes. */
export function encodeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: StoredTensor]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const { header, list } = layOut(tensors, metadata);
  return Buffer.concat([header, ...list.map(({ data }) => bytesOf(data))]);
}

/** Header of the file, and the tensors in the order of their data. */
function layOut(
  tensors: Iterable<readonly [name: string, tensor: StoredTensor]>,
  metadata: Record<string, string>,
): { header: Uint8Array; list: StoredTensor[] } {
  const list = [...tensors].sort((a, b) => elementBytes(b[1].dtype) - elementBytes(a[1].dtype));
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { dtype, shape, data }] of list) {
    const bytes = countOf(shape) * elementBytes(dtype);
    if (data.byteLength !== bytes || Object.hasOwn(header, name))
      throw new Error(`tensor ${name}: ${data.byteLength} bytes for ${dtype} [${shape}], or a duplicate name`);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  text.copy(padded, 8);
  return { header: padded, list: list.map(([, tensor]) => tensor) };
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new UserError('missing-file', `cannot open ${path}: ${messageOf(error)}`, 'check the path');
  }
}

function bad(path: string, what: string): UserError {
  return new UserError(
    'bad-safetensors',
    `${path}: ${what}`,
    'the file is damaged or no safetensors file: fetch or write it again',
  );
}

function readAt(path: string, fd: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  for (let got = 0; got < length; ) {
    const n = readSync(fd, out, got, Math.min(length - got, 1 << 30), offset + got);
    if (n === 0) throw bad(path, 'the end of the file is missing');
    got += n;
  }
  return out;
}

function readHeader(
  path: string,
  size: number,
  read: ReadAt,
): { entries: Entry[]; metadata: Record<string, string>; start: number } {
  if (size < 10) throw bad(path, `${size} bytes are too few`);
  const length = Number(Buffer.from(read(0, 8)).readBigUInt64LE());
  if (length > MAX_HEADER_BYTES || 8 + length > size)
    throw bad(path, `its header claims ${length} bytes; the file has ${size}`);
  const text = Buffer.from(read(8, length)).toString('utf8');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw bad(path, `its header is not JSON (${messageOf(error)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw bad(path, 'its header is not a JSON object');
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) throw bad(path, `'${duplicate}' is in its header twice`);
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  if (typeof metadata !== 'object' || metadata === null || Object.values(metadata).some((v) => typeof v !== 'string'))
    throw bad(path, 'the values of __metadata__ are not all strings');
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(path, name, value));
  refuseGaps(path, entries, size - 8 - length);
  return { entries, metadata: metadata as Record<string, string>, start: 8 + length };
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const whole = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!isDtype(dtype)) throw bad(path, `'${name}' has the unknown number type ${JSON.stringify(dtype)}`);
  if (!whole(shape) || !whole(offsets) || offsets.length !== 2)
    throw bad(path, `shape or data_offsets of '${name}' are not lists of integers`);
  const bytes = countOf(shape) * elementBytes(dtype);
  if (offsets[1] - offsets[0] !== bytes)
    throw bad(path, `'${name}' of ${dtype} [${shape}] needs ${bytes} bytes, but has ${offsets[1] - offsets[0]}`);
  return { name, dtype, shape, from: offsets[0], to: offsets[1] };
}

/** The format requires that the tensors cover everything after the header without gaps. */
function refuseGaps(path: string, entries: Entry[], available: number): void {
  let at = 0;
  for (const { name, from, to } of [...entries].sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== at)
      throw bad(path, from < at ? `'${name}' overlaps another tensor` : `there is a gap before '${name}'`);
    at = to;
  }
  if (at !== available)
    throw bad(
      path,
      at > available
        ? `${at} bytes of data are expected after the header, but there are ${available}`
        : `${available - at} bytes follow after the last tensor`,
    );
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** JSON.parse silently takes the last of equal keys; other readers may take the first and load other data. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g;
  for (let match = tokens.exec(text); match; match = tokens.exec(text)) {
    if (match[0] === '{') open.push(new Set());
    else if (match[0] === '}') open.pop();
    else if (match[1] !== undefined) {
      const key = JSON.parse(match[0].slice(0, match[0].length - match[1].length)) as string;
      const seen = open.at(-1);
      if (seen?.has(key)) return key;
      seen?.add(key);
    }
  }
  return undefined;
}
