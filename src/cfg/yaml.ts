/**
 * Reads YAML files: cfg files, datasets, networks, metadata of exported models and runs. Such files may come from others, so
 * everything that can grow is limited: the size of the text, the number of aliases, and what the aliases expand to (nested
 * aliases make gigabytes of a few lines). Nothing in a file is ever executed.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { loadAll, YAMLException } from 'js-yaml';
import { cut } from '../core/brief.js';
import { messageOf, UserError } from '../core/errors.js';
import { ESCAPE_HINT } from '../core/written-path.js';

export type YamlObject = Record<string, unknown>;

/** Bytes of a file; enough for a dataset with 20,000 long class names. */
const MAX_BYTES = 4 << 20;
const MAX_ALIASES = 1000;
/** Values and characters of text after all aliases are expanded. */
const MAX_UNFOLDED = 2 * MAX_BYTES;
/** Depth of nested lists and maps. */
const MAX_DEPTH = 100;

/**
 * Reads a file that holds one value.
 * @param where what to call the file in messages
 * @returns null when there is nothing but comments
 * @throws UserError 'missing-file', 'unreadable-file', 'bad-yaml'
 */
export function readYaml(path: string, where = path): unknown {
  return parseYaml(readText(path, where), where);
}

/**
 * Reads a file of keys and values.
 * @param expected the keys that are looked for, for messages
 */
export function readYamlObject(path: string, expected: string, where = path): YamlObject {
  return asObject(readYaml(path, where), expected, where);
}

/** @throws UserError 'bad-yaml' when it is a list or a single value */
export function asObject(value: unknown, expected: string, where: string): YamlObject {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as YamlObject;
  const got = value === null ? 'nothing' : Array.isArray(value) ? 'a list' : 'a single value';
  throw new UserError('bad-yaml', `${where} should hold keys such as ${expected}, but holds ${got}`);
}

/** @throws UserError 'bad-yaml', one line that says where */
export function parseYaml(text: string, where: string): unknown {
  if (text.length > MAX_BYTES) throw tooLarge(where);
  let documents: unknown[];
  try {
    documents = loadAll(text.replace(/^\uFEFF/, ''), { maxAliases: MAX_ALIASES, maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = error.mark ? `, line ${error.mark.line + 1}` : '';
    const hint = /escape/.test(error.reason) ? ESCAPE_HINT : undefined;
    throw new UserError('bad-yaml', `${where}${line}: not valid YAML: ${cut(error.reason, 200)}`, hint);
  }
  if (documents.length > 1)
    throw new UserError('bad-yaml', `${where}: expected one document, got ${documents.length} with --- between them`);
  const value = documents[0] ?? null;
  refuseUnfolding(value, where);
  return value;
}

/** Size and depth of a value after all its aliases are expanded. */
interface Extent {
  size: number;
  depth: number;
}

/** @throws UserError for a value that contains itself, and for one that is too large when its aliases are unfolded */
function refuseUnfolding(root: unknown, where: string): void {
  const known = new Map<object, Extent>();
  const open = new Set<object>();
  const refuse = (what: string): never => {
    throw new UserError('bad-yaml', `${where}: ${what}`, 'write values out instead of using aliases (*name)');
  };
  const extentOf = (value: unknown): Extent => {
    if (typeof value === 'string') return { size: 1 + value.length, depth: 0 };
    if (typeof value !== 'object' || value === null) return { size: 1, depth: 0 };
    const before = known.get(value);
    if (before) return before;
    if (open.has(value)) refuse('a value contains itself');
    if (open.size >= MAX_DEPTH) refuse(`values are nested deeper than ${MAX_DEPTH}`);
    open.add(value);
    const extent = { size: 1, depth: 0 };
    const add = (item: unknown): void => {
      const inner = extentOf(item);
      extent.size += inner.size;
      extent.depth = Math.max(extent.depth, inner.depth + 1);
    };
    if (Array.isArray(value)) value.forEach(add);
    else for (const entry of Object.entries(value)) entry.forEach(add);
    open.delete(value);
    if (extent.size > MAX_UNFOLDED) refuse('it grows too large when its aliases are unfolded');
    if (extent.depth > MAX_DEPTH) refuse(`values are nested deeper than ${MAX_DEPTH}`);
    known.set(value, extent);
    return extent;
  };
  extentOf(root);
}

/** Reads at most MAX_BYTES, whatever size the file system reports: a pipe has none. */
function readText(path: string, where: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw unreadable(where, error);
  }
  try {
    const parts: Buffer[] = [];
    for (let bytes = 0; bytes <= MAX_BYTES; ) {
      const part = Buffer.allocUnsafe(1 << 16);
      const n = readSync(fd, part, 0, part.length, null);
      if (n === 0) return Buffer.concat(parts).toString('utf8');
      parts.push(part.subarray(0, n));
      bytes += n;
    }
  } catch (error) {
    throw unreadable(where, error);
  } finally {
    closeSync(fd);
  }
  throw tooLarge(where);
}

function tooLarge(where: string): UserError {
  return new UserError('bad-yaml', `${where} is larger than ${MAX_BYTES >> 20} MiB, too large for a YAML file`);
}

function unreadable(where: string, error: unknown): UserError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new UserError('missing-file', `${where}: there is no such file`);
  const why = code === 'EISDIR' ? 'it is a folder' : code === 'EACCES' ? 'you may not read it' : messageOf(error);
  return new UserError('unreadable-file', `${where} cannot be read: ${why}`);
}
