/**
 * Sources given by programs: names as on the command line, encoded images, pixels, URL objects, streams, and lists and
 * iterables of these.
 */
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { fromListed, listSources, type NameOrder, type Origin } from './source-list.js';

/** A stream with the bytes of one encoded image: a Node Readable, a web ReadableStream, the body of a response. */
export type ByteStream = (AsyncIterable<Uint8Array> & { pipe: unknown }) | { getReader(): unknown };

/** One source. Bytes (Buffer, Blob, Response, stream …) are an encoded image. */
export type SourceItem =
  | string
  | number
  | URL
  | Uint8Array
  | ArrayBuffer
  | { arrayBuffer(): Promise<ArrayBuffer> }
  | RgbImage
  | ByteStream;

/** One source, a list, or an iterable (a generator, an object stream), whose items are predicted as they arrive. */
export type SourceInput = SourceItem | readonly SourceInput[] | Iterable<SourceItem> | AsyncIterable<SourceItem>;

/** A list of sources, or sources that arrive one after the other. */
export type Origins = readonly Origin[] | AsyncIterable<Origin>;

/**
 * Resolves a source into single images, videos and streams.
 * @param order of the names in folders and of patterns
 * @throws UserError 'missing-source' when it does not exist or has no image and no video; 'bad-source' for other types of
 *   values; as listSources
 */
export async function sourcesOf(source: SourceInput, order?: NameOrder): Promise<Origins> {
  if (Array.isArray(source)) {
    const lists: readonly Origin[][] = await Promise.all(source.map((one) => listClosed(one, order)));
    return lists.flat().map(numbered);
  }
  return isSeries(source) ? arriving(source, order) : listItem(source as SourceItem, order);
}

/** Adds an error listener to streams: an error before they are read is then reported to the reader, not as uncaught. */
export function keepErrors(source: SourceInput): void {
  if (Array.isArray(source)) for (const one of source) keepErrors(one);
  else if (source instanceof Readable) source.on('error', () => {});
}

/** Something inside a list: another list, or one item. */
async function listClosed(source: SourceInput, order: NameOrder): Promise<Origin[]> {
  if (Array.isArray(source)) return (await Promise.all(source.map((one) => listClosed(one, order)))).flat();
  if (!isSeries(source)) return listItem(source as SourceItem, order);
  throw new UserError('bad-source', 'a list of sources contains an iterable', 'pass the iterable itself as source');
}

/** Names for unnamed images of a list: image0, image1 … */
function numbered(origin: Origin, i: number): Origin {
  return origin.kind === 'bytes' || origin.kind === 'pixels' ? { ...origin, path: `image${i}` } : origin;
}

/** Sources of an iterable, one at a time. A missing file is reported when it is opened and does not end the iteration. */
async function* arriving(
  items: Iterable<SourceItem> | AsyncIterable<SourceItem>,
  order: NameOrder,
): AsyncGenerator<Origin> {
  let count = 0;
  for await (const item of items) {
    const origins = typeof item === 'string' ? fromListed(item, '.', order) : await listClosed(item, order);
    for (const origin of origins) yield numbered(ownPixels(origin), count++);
  }
}

/** A copy of pixels and bytes, because a program may reuse one buffer for all frames. */
function ownPixels(origin: Origin): Origin {
  if (origin.kind === 'pixels')
    return { ...origin, image: { ...origin.image, data: new Uint8Array(origin.image.data) } };
  return origin.kind === 'bytes' ? { ...origin, bytes: new Uint8Array(origin.bytes) } : origin;
}

async function listItem(item: SourceItem, order: NameOrder): Promise<Origin[]> {
  if (typeof item === 'string' || typeof item === 'number') return listSources(item, order);
  if (item instanceof URL) return listSources(nameOfUrl(item), order);
  const bytes = await bytesOf(item);
  if (bytes) return [{ kind: 'bytes', path: 'image', bytes }];
  if (typeof item === 'object' && item !== null && 'width' in item)
    return [{ kind: 'pixels', path: 'image', image: checkPixels(item as RgbImage) }];
  throw badSource(item);
}

/** @returns the path of a file: URL, else the URL as text @throws UserError 'bad-url' for other protocols */
export function nameOfUrl(url: URL): string {
  if (url.protocol === 'file:') return fileURLToPath(url);
  if (/^(https?|rtsps?|rtmps?|srt|udp|tcp):$/.test(url.protocol)) return url.href;
  throw new UserError('bad-url', `'${url.protocol}' URLs are not supported`, 'use http:, https: or file:, or bytes');
}

async function bytesOf(item: unknown): Promise<Uint8Array | undefined> {
  if (item instanceof Uint8Array) return item;
  if (item instanceof ArrayBuffer) return new Uint8Array(item);
  if (typeof item !== 'object' || item === null) return undefined;
  if ('arrayBuffer' in item && typeof item.arrayBuffer === 'function')
    return reading(async () => new Uint8Array(await (item as Blob).arrayBuffer()));
  return isByteStream(item) ? reading(() => collect(item)) : undefined;
}

async function collect(stream: AsyncIterable<unknown>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) throw badSource(chunk, 'a stream of bytes yields a value');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError('broken-stream', `the source cannot be read: ${messageOf(error)}`, undefined, 1);
  }
}

/** Streams in object mode yield sources; all others yield bytes. */
function isByteStream(value: object): value is AsyncIterable<unknown> {
  if ('getReader' in value && Symbol.asyncIterator in value) return true;
  return (
    'pipe' in value && Symbol.asyncIterator in value && !(value as { readableObjectMode?: boolean }).readableObjectMode
  );
}

function isSeries(value: unknown): value is Iterable<SourceItem> | AsyncIterable<SourceItem> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || isByteStream(value)) return false;
  if (ArrayBuffer.isView(value) || value instanceof URL || 'arrayBuffer' in value) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}

function checkPixels(image: RgbImage): RgbImage {
  const { width, height, data } = image;
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && data?.length === width * height * 3)
    return image;
  throw new UserError(
    'bad-pixels',
    `pixels must be width x height x 3 bytes of RGB; got ${data?.length} for ${width}x${height}`,
  );
}

function badSource(value: unknown, what = 'the source is'): UserError {
  const kind = value === null ? 'null' : (Object(value).constructor?.name ?? typeof value);
  return new UserError(
    'bad-source',
    `${what} ${value === undefined ? 'undefined' : `of type ${kind}`}, which is not an image`,
    'expected a path, URL, encoded bytes, { data, width, height } with RGB pixels, a stream, or several of these',
  );
}
