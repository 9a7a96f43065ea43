/**
 * Opens sources one after the other and yields their images and frames. The next images are decoded while the consumer
 * processes the current one. A source that cannot be read yields a failure, and the iteration continues.
 */
import { messageOf, UserError } from '../core/errors.js';
import type { Range } from '../core/shard.js';
import type { RgbImage } from '../core/types.js';
import { decodeFrames, decodeImage, readImageSize } from '../image/codec.js';
import { readVideo, type VideoOptions, webcamArguments } from '../image/video.js';
import { fetchIf, isUrl } from '../io/fetch.js';
import type { Origins } from './program-source.js';
import type { Origin } from './source-list.js';
import { isLive } from './source-units.js';
import { framesOfBytes, framesOfUrl } from './video-source.js';

/** Properties of a video, animation or stream. */
export interface Moving {
  kind: 'video' | 'animation' | 'stream';
  /** Frames per second, after `stride`. */
  fps: number;
  /** Expected number of frames, after `stride`; undefined for a stream. */
  frames?: number;
}

/** An image, or a frame of a video, animation or stream. */
export interface Frame {
  path: string;
  /** Index of its source, from 0. */
  source: number;
  image: RgbImage;
  /** Number of the frame within its source, after `stride`, from 1; undefined for an image. */
  frame?: number;
  moving?: Moving;
}

/** A source that cannot be read. */
export interface Failure {
  path: string;
  source: number;
  /** The reason, with the path. */
  error: UserError;
}

/** Options of `readSources`. */
export interface SourceOptions {
  /** Yields the last of every n frames of videos. Default: 1. */
  stride?: number;
  /** Number of images that are decoded ahead. Default: 2. */
  ahead?: number;
  /** Yields every frame of a stream instead of the newest one. Default: false. */
  buffer?: boolean;
  /** Only these sources of a list. Default: all. */
  range?: Range;
  /** Ends videos and downloads when aborted. */
  signal?: AbortSignal;
}

type OpenOptions = { stride: number; buffer?: boolean; signal?: AbortSignal };

/** Frame rate of animations that have none, as in browsers. */
const ANIMATION_FPS = 10;
/** While images have more pixels than this, only one is decoded ahead, to bound memory. */
const LARGE_PIXELS = 25_000_000;

type Opened = { image: RgbImage } | { frames: () => AsyncGenerator<RgbImage>; moving: Moving } | { error: UserError };

/** Yields images and frames of all sources, in order. */
export function readSources(origins: Origins, options: SourceOptions = {}): AsyncGenerator<Frame | Failure> {
  return Array.isArray(origins)
    ? readListed(origins, options)
    : readArriving(origins as AsyncIterable<Origin>, options);
}

async function* readListed(origins: readonly Origin[], options: SourceOptions): AsyncGenerator<Frame | Failure> {
  const { stride = 1, ahead = 2, buffer, signal, range: { from, to } = { from: 0, to: origins.length } } = options;
  const opening = new Map<number, Promise<Opened>>();
  let large = false;
  for (let source = from; source < to; source++) {
    const streams = liveFrom(origins, source);
    if (streams.length > 1) {
      yield* readTogether(streams, source, options);
      source += streams.length - 1;
      continue;
    }
    const last = Math.min(source + (large ? 1 : ahead), to - 1);
    for (let i = source; i <= last; i++)
      if (!opening.has(i)) opening.set(i, open(origins[i], { stride, buffer, signal }));
    const opened = await (opening.get(source) as Promise<Opened>);
    opening.delete(source);
    if ('image' in opened) large = opened.image.width * opened.image.height > LARGE_PIXELS;
    yield* framesOf(opened, origins[source].path, source);
  }
}

/** The consecutive streams and cameras of a list that begin at `start`. */
function liveFrom(origins: readonly Origin[], start: number): readonly Origin[] {
  const end = origins.findIndex((origin, i) => i >= start && !isLive(origin));
  return origins.slice(start, end < 0 ? undefined : end);
}

/** Reads several live streams at once and yields their frames as they arrive, those that have waited longest first. */
async function* readTogether(
  origins: readonly Origin[],
  first: number,
  { stride = 1, buffer, signal }: SourceOptions,
): AsyncGenerator<Frame | Failure> {
  const left = new AbortController();
  const options = { stride, buffer, signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal };
  const opened = await Promise.all(origins.map((origin) => open(origin, options)));
  const streams = opened.map((one, i) => framesOf(one, origins[i].path, first + i));
  const next = async (i: number) => ({ i, result: await streams[i].next() });
  const waiting = new Map(streams.map((_, i) => [i, next(i)]));
  try {
    while (waiting.size > 0) {
      const { i, result } = await Promise.race(waiting.values());
      waiting.delete(i);
      if (result.done) continue;
      waiting.set(i, next(i));
      yield result.value;
    }
  } finally {
    left.abort();
    for (const stream of streams) void stream.return(undefined);
  }
}

/** Reads sources as they arrive. While the consumer processes one source, only the next one is requested. */
async function* readArriving(
  origins: AsyncIterable<Origin>,
  { stride = 1, buffer, signal }: SourceOptions,
): AsyncGenerator<Frame | Failure> {
  const iterator = origins[Symbol.asyncIterator]();
  let waiting = false;
  const next = async () => {
    waiting = true;
    const { done, value } = await iterator.next();
    waiting = false;
    return done ? undefined : { path: value.path, opened: await open(value, { stride, buffer, signal }) };
  };
  try {
    let coming = next();
    for (let source = 0; ; source++) {
      const item = await coming;
      if (item === undefined) return;
      coming = next();
      coming.catch(() => {}); // an error is thrown when it is awaited, and is not an unhandled rejection until then
      yield* framesOf(item.opened, item.path, source);
    }
  } finally {
    // A pending item may never arrive, and return() would wait for it.
    const closed = Promise.resolve(iterator.return?.()).catch(() => {});
    if (!waiting) await closed;
  }
}

async function* framesOf(opened: Opened, path: string, source: number): AsyncGenerator<Frame | Failure> {
  if ('error' in opened) yield { path, source, error: opened.error };
  else if ('image' in opened) yield { path, source, image: opened.image };
  else yield* movingFrames(opened, path, source);
}

async function* movingFrames(
  { frames, moving }: { frames: () => AsyncGenerator<RgbImage>; moving: Moving },
  path: string,
  source: number,
): AsyncGenerator<Frame | Failure> {
  let frame = 0;
  try {
    for await (const image of frames()) {
      yield { path, source, image, frame: ++frame, moving };
    }
    if (frame === 0) throw new UserError('too-short', `${path} has fewer frames than vid_stride`, undefined, 1);
  } catch (error) {
    yield { path, source, error: failure(path, error) };
  }
}

/** Opens a source; never rejects: errors are part of the result. Videos start when their first frame is requested. */
async function open(origin: Origin, options: OpenOptions): Promise<Opened> {
  const { kind, path } = origin;
  try {
    if (kind === 'pixels') return { image: origin.image };
    if (kind === 'camera') return video(webcamArguments(origin.index), 'stream', options);
    if (kind === 'stream') return video(path, 'stream', options);
    if (kind === 'video') return isUrl(path) ? videoAt(path, options) : video(path, 'video', options);
    if (kind === 'piped') return moving('video', options, (more) => framesOfBytes(origin, { ...more, name: path }));
    if (kind === 'image') return await openImage(path, path, options.stride);
    if (kind === 'bytes') return await openImage(origin.bytes, path, options.stride);
    return await openUrl(path, options);
  } catch (error) {
    return { error: failure(path, error) };
  }
}

async function openUrl(url: string, options: OpenOptions): Promise<Opened> {
  const isStill = (type: string | undefined): boolean => !/^(video\/|multipart\/x-mixed-replace)/.test(type ?? '');
  const { contentType, data } = await fetchIf(url, isStill, { signal: options.signal });
  if (data) return openImage(data, url, options.stride);
  return contentType?.startsWith('video/') ? videoAt(url, options) : video(url, 'stream', options);
}

async function openImage(source: string | Uint8Array, name: string, stride: number): Promise<Opened> {
  if (mayMove(source)) {
    const { frames, fps = ANIMATION_FPS } = await readImageSize(source, { name });
    if (frames > 1) {
      const moving: Moving = { kind: 'animation', fps: fps / stride, frames: Math.floor(frames / stride) };
      return { frames: () => everyNth(decodeFrames(source, { name }), stride), moving };
    }
  }
  return { image: await decodeImage(source, { name }) };
}

/** Only GIF and WebP can be animated; reading the number of frames of every JPEG would take time. */
function mayMove(source: string | Uint8Array): boolean {
  if (typeof source === 'string') return /\.(gif|webp)$/i.test(source);
  const start = Buffer.from(source.subarray(0, 12)).toString('latin1');
  return start.startsWith('GIF8') || start.slice(8) === 'WEBP';
}

/** The last of every n frames, as `vid_stride` is defined by Ultralytics. */
async function* everyNth(frames: AsyncGenerator<RgbImage>, stride: number): AsyncGenerator<RgbImage> {
  let i = 0;
  for await (const frame of frames) if (++i % stride === 0) yield frame;
}

function videoAt(url: string, options: OpenOptions): Opened {
  return moving('video', options, (more) => framesOfUrl(url, more));
}

function video(input: string | string[], kind: 'video' | 'stream', options: OpenOptions): Opened {
  return moving(kind, options, (more) => readVideo(input, more));
}

/** @param read yields the frames and calls `onInfo` with the properties of the video */
function moving(
  kind: 'video' | 'stream',
  { stride, signal, buffer }: OpenOptions,
  read: (options: VideoOptions) => AsyncGenerator<RgbImage>,
): Opened {
  const about: Moving = { kind, fps: 25 / stride };
  const options: VideoOptions = {
    stride,
    live: kind === 'stream' && !buffer,
    signal,
    onInfo(info) {
      about.fps = info.fps / stride;
      if (info.frames !== undefined && kind === 'video') about.frames = Math.floor(info.frames / stride);
    },
  };
  return { frames: () => read(options), moving: about };
}

function failure(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return new UserError('broken-image', `${path} cannot be read: ${messageOf(error)}`, undefined, 1);
}
