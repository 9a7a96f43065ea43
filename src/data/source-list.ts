/**
 * Resolves the option `source` into single images, videos and streams, without opening them: file, folder, glob, .txt,
 * .csv or .streams list, URL, webcam number, network stream, several of these separated by commas, standard input.
 * program-source.ts adds the sources that programs pass.
 */
import { existsSync, readFileSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import type { RgbImage } from '../core/types.js';
import { spellings } from '../core/written-path.js';
import { IMAGE_EXTENSIONS } from '../image/codec.js';
import { VIDEO_EXTENSIONS } from '../image/video.js';
import { videoContainer } from '../image/video-container.js';
import { isUrl } from '../io/fetch.js';
import { kindOfFile } from '../io/files.js';
import { glob, isGlob } from './glob.js';
import { describeUnsupported, followed, isUnsupported, listFolder } from './listing.js';
import { splitSource } from './source-split.js';

/** A single source. `path` is its name in results and messages. */
export type Origin =
  | { kind: 'image' | 'video' | 'url' | 'stream'; path: string }
  | { kind: 'camera'; path: string; index: number }
  | { kind: 'bytes'; path: string; bytes: Uint8Array }
  | { kind: 'piped'; path: string; head: Uint8Array; rest: AsyncIterable<Uint8Array> }
  | { kind: 'pixels'; path: string; image: RgbImage };

/** Number of bytes from which the format of a stream is detected. */
const HEAD = 4096;
const IMAGES = new Set<string>(IMAGE_EXTENSIONS);
const VIDEOS = new Set<string>(VIDEO_EXTENSIONS);
/** Column names in the first line of a .csv list. */
const HEADINGS = new Set(['source', 'sources', 'path', 'paths', 'file', 'files', 'filename', 'image', 'images', 'url']);

/** The order of names in a folder or of a pattern, as of `sort`; undefined: by code units. */
export type NameOrder = ((a: string, b: string) => number) | undefined;

/**
 * @param source a value of the option `source`; a number means a webcam
 * @throws UserError 'missing-source' when it does not exist or has no image and no video; 'unreadable-file', 'not-a-file',
 *   'unreadable-folder', 'nested-list', 'no-youtube'
 */
export async function listSources(source: string | number, order?: NameOrder): Promise<Origin[]> {
  return source === '-' ? fromStandardInput(order) : fromText(String(source), order);
}

function fromText(text: string, order: NameOrder): Origin[] {
  const single = splitSource(text).length === 1 ? singleOf(text) : undefined;
  if (single) return [single];
  const info = infoOf(text);
  if (info?.isDirectory()) return fromFolder(text, order);
  if (info) return isList(text) ? fromList(text, order) : [fileOrigin(text)];
  if (isGlob(text)) {
    const matches = glob(text).sort(order);
    sayUnsupported(matches);
    const files = matches.filter(isMedia);
    if (files.length) return files.map(fileOrigin);
  }
  const parts = splitSource(text);
  if (parts.length > 1 || (parts.length === 1 && parts[0] !== text))
    return parts.flatMap((part) => fromText(part, order));
  if (isGlob(text)) {
    throw new UserError(
      'missing-source',
      `no image and no video matches '${text}'`,
      `the working folder is ${resolve()}`,
    );
  }
  throw new UserError('missing-source', `source '${text}' does not exist`, `looked for ${resolve(text)}`);
}

/** @returns undefined when it does not exist @throws UserError 'unreadable-file'; 'not-a-file' for a pipe or a device */
function infoOf(path: string): Stats | undefined {
  let info: Stats | undefined;
  try {
    info = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const why = messageOf(error).replace(/,[^,]*$/, '');
    throw new UserError('unreadable-file', `source '${path}' cannot be opened: ${why}`, undefined, 1);
  }
  if (!info || info.isDirectory() || info.isFile()) return info;
  const hint = info.isFIFO() ? 'source=- reads from standard input' : 'a camera is named by its number: source=0';
  throw new UserError('not-a-file', `source '${path}' is ${kindOfFile(info)}, neither a file nor a folder`, hint);
}

function sayUnsupported(paths: readonly string[]): void {
  const unsupported = paths.filter(isUnsupported);
  if (unsupported.length) log.warn(describeUnsupported(unsupported));
}

/** Sources that are recognised by their syntax: webcams, network streams, URLs. @throws UserError 'no-youtube' */
function singleOf(text: string): Origin | undefined {
  if (/^\d{1,3}$/.test(text) && !existsSync(text)) return { kind: 'camera', path: text, index: Number(text) };
  if (/^(rtsps?|rtmps?|srt|udp|tcp):\/\//i.test(text)) return { kind: 'stream', path: text };
  if (!isUrl(text)) return undefined;
  const { hostname, pathname } = new URL(text);
  if (/(^|\.)(youtube\.com|youtu\.be)$/i.test(hostname)) {
    throw new UserError('no-youtube', 'YouTube videos cannot be opened directly', 'download the video first');
  }
  const extension = extensionOf(pathname);
  if (extension === 'm3u8' || extension === 'mjpg') return { kind: 'stream', path: text };
  return { kind: VIDEOS.has(extension) ? 'video' : 'url', path: text };
}

function fromFolder(folder: string, order: NameOrder): Origin[] {
  const entries = listFolder(folder);
  const paths = entries
    .filter((entry) => !entry.name.startsWith('.') && followed(entry, join(folder, entry.name))?.isFile() !== false)
    .map((entry) => join(folder, entry.name))
    .sort(order);
  sayUnsupported(paths);
  const files = paths.filter(isMedia);
  if (files.length) return files.map(fileOrigin);
  const deeper = entries.some((entry) => entry.isDirectory());
  const hint = deeper
    ? `for its subfolders: source='${join(folder, '**', '*.jpg')}'`
    : `images end in ${IMAGE_EXTENSIONS.join(', ')}`;
  throw new UserError('missing-source', `folder '${folder}' contains no image and no video`, hint);
}

/** A list may contain all sources except lists. Missing files are reported when they are opened. */
function fromList(list: string, order: NameOrder): Origin[] {
  const names = listNames(readFileSync(list, 'utf8'), extensionOf(list) === 'csv');
  const ofStreams = extensionOf(list) === 'streams';
  if (names.length === 0)
    throw new UserError('missing-source', `list '${list}' is empty`, 'write one path or URL in each line');
  return names.flatMap((name) => (ofStreams ? fromStreamed(name) : fromListed(name, dirname(list), order)));
}

/** A line of a .streams file: a camera, or a URL that is opened as a live stream. */
function fromStreamed(name: string): Origin[] {
  const single = singleOf(name);
  if (single?.kind === 'camera') return [single];
  return single ? [{ kind: 'stream', path: name }] : fromText(name, undefined);
}

/** An item of a list. @param folder to which relative paths refer @throws UserError 'nested-list', 'no-youtube' */
export function fromListed(name: string, folder: string, order?: NameOrder): Origin[] {
  const single = singleOf(name);
  if (single && single.kind !== 'camera') return [single];
  const places = spellings(name).flatMap((path) => (isAbsolute(path) ? [path] : [path, join(folder, path)]));
  const path = places.find((place) => existsSync(place)) ?? name;
  if (!existsSync(path))
    return isGlob(name) ? glob(path).sort(order).filter(isMedia).map(fileOrigin) : [fileOrigin(name)];
  if (infoOf(path)?.isDirectory()) return fromFolder(path, order);
  if (!isList(path)) return [fileOrigin(path)];
  throw new UserError('nested-list', `'${path}' is a list inside a list`, 'name its files instead');
}

/** Lines of a list, or the first column of a .csv, without blank lines, comments and the header. */
function listNames(text: string, csv: boolean): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const cells = lines.map((line) => (csv ? firstCell(line) : line).trim());
  const names = cells.filter((cell) => cell && !cell.startsWith('#'));
  return csv && names[0] && HEADINGS.has(names[0].toLowerCase()) ? names.slice(1) : names;
}

function firstCell(line: string): string {
  const quoted = /^\s*"((?:[^"]|"")*)"/.exec(line);
  return quoted ? quoted[1].replaceAll('""', '"') : line.split(/[,;\t]/)[0];
}

/** An image, a video, or a list with one name in each line (`ls *.jpg | yolo predict source=-`). */
async function fromStandardInput(order: NameOrder): Promise<Origin[]> {
  if (process.stdin.isTTY) {
    const text =
      'source=- reads an image or a video from standard input, which is a terminal: nothing is piped into it';
    throw new UserError('missing-source', text);
  }
  const rest = process.stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  const head = await firstOf(rest);
  if (videoContainer(head)) return [{ kind: 'piped', path: 'stdin', head, rest }];
  const chunks = [head];
  for await (const chunk of rest) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length === 0) throw new UserError('missing-source', 'standard input is empty', 'pipe an image into it');
  if (!looksLikeText(bytes)) return [{ kind: 'bytes', path: 'stdin', bytes }];
  return listNames(bytes.toString('utf8'), false).flatMap((name) => fromListed(name, '.', order));
}

/** Reads enough of a stream to detect its format; the same iterable then yields the rest. */
async function firstOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const iterator = stream[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < HEAD) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  return head;
}

function looksLikeText(bytes: Buffer): boolean {
  return bytes.subarray(0, 4096).every((b) => b === 9 || b === 10 || b === 13 || b >= 32) && !bytes.includes('<svg');
}

function fileOrigin(path: string): Origin {
  return { kind: VIDEOS.has(extensionOf(path)) ? 'video' : 'image', path };
}

function isMedia(path: string): boolean {
  const extension = extensionOf(path);
  return IMAGES.has(extension) || VIDEOS.has(extension);
}

function isList(path: string): boolean {
  return ['txt', 'csv', 'streams'].includes(extensionOf(path));
}

function extensionOf(path: string): string {
  return extname(basename(path)).slice(1).toLowerCase();
}
