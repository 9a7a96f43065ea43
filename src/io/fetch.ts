/**
 * Fetches files over http(s): released weights, archives of datasets, images named by URL. A file appears whole or not at
 * all; redirects, size and time are limited, and a stalled transfer is given up and tried once more.
 */
import { createHash } from 'node:crypto';
import { messageOf, UserError } from '../core/errors.js';
import { openAtomic } from './files.js';

export interface DownloadOptions {
  /** Most bytes that are accepted, default 4 GB. */
  maxBytes?: number;
  /** Called as bytes arrive; `total` is missing when the server doesn't say. */
  onProgress?: (done: number, total?: number) => void;
  /** Told the type of the content, without parameters, before any of it is taken; may throw. */
  onType?: (contentType: string | undefined) => void;
  /** Expected sha256, in hexadecimal; anything else is refused. */
  sha256?: string;
  /** Milliseconds without a byte after which it is given up, default 30 s. */
  stallMs?: number;
  signal?: AbortSignal;
  /** How often it is tried again after a broken connection or a server error, default 2. */
  retries?: number;
}

export interface Download {
  bytes: number;
  sha256: string;
  /** As the server says, without parameters: 'image/jpeg'. */
  contentType?: string;
  /** Address after redirects. */
  url: string;
}

const MAX_BYTES = 4 * 2 ** 30;

/** Whether a source is an address. */
export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Fetches into a file.
 * @throws UserError 'no-network' (exit code 1): no connection, an error status, too large, wrong hash; nothing is left behind
 */
export async function download(url: string, dest: string, options: DownloadOptions = {}): Promise<Download> {
  return attempts(url, options, async () => {
    const file = openAtomic(dest);
    try {
      const got = await transfer(url, options, (chunk) => file.write(chunk));
      if (options.sha256 && got.sha256 !== options.sha256)
        throw new UserError(
          'bad-download',
          `${url} gave a file with sha256 ${got.sha256} where ${options.sha256} was expected; it was not kept`,
          'something between here and there changed the file: try another network',
          1,
        );
      file.commit();
      return got;
    } finally {
      file.abort();
    }
  });
}

/** Fetches into memory, e.g. an image. @throws as `download` */
export async function fetchBytes(url: string, options: DownloadOptions = {}): Promise<Download & { data: Uint8Array }> {
  const limits = { maxBytes: 256 << 20, ...options };
  return attempts(url, limits, async () => {
    const chunks: Uint8Array[] = [];
    const got = await transfer(url, limits, (chunk) => chunks.push(chunk));
    return { ...got, data: Buffer.concat(chunks) };
  });
}

/**
 * Fetches what has a type that is wanted.
 * @param accept looks at the type, without parameters, before anything else is taken
 * @returns the type alone when it is not wanted
 */
export async function fetchIf(
  url: string,
  accept: (contentType: string | undefined) => boolean,
  options: DownloadOptions = {},
): Promise<{ contentType?: string; data?: Uint8Array }> {
  let contentType: string | undefined;
  const wanted = (type: string | undefined): void => {
    contentType = type;
    if (!accept(type)) throw new UserError('not-wanted', `${url} is ${type}`);
  };
  try {
    return await fetchBytes(url, { ...options, onType: wanted });
  } catch (error) {
    if (error instanceof UserError && error.code === 'not-wanted') return { contentType };
    throw error;
  }
}

/** Whether a server hands out parts of a file, so that a reader can jump about in it; false when it cannot be asked. */
export async function servesRanges(url: string, { signal }: { signal?: AbortSignal } = {}): Promise<boolean> {
  const stop = AbortSignal.timeout(10_000);
  const asked = { range: 'bytes=0-0', 'user-agent': 'yolov8-tfjs' };
  try {
    const response = await fetch(url, { headers: asked, signal: signal ? AbortSignal.any([signal, stop]) : stop });
    await response.body?.cancel();
    return response.status === 206;
  } catch {
    return false;
  }
}

/** A server's answer that trying again may change. */
class Passing extends Error {}

async function attempts<T>(url: string, options: DownloadOptions, once: () => Promise<T>): Promise<T> {
  if (!isUrl(url)) throw new UserError('bad-url', `'${url}' is not an http or https address`);
  for (let left = options.retries ?? 2; ; left--) {
    try {
      return await once();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof UserError) throw error;
      if (left <= 0)
        throw new UserError(
          'no-network',
          `cannot fetch ${url}: ${reason(error)}`,
          'check the address and the network connection',
          1,
        );
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function reason(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { code?: string; message?: string } | undefined) : undefined;
  return cause?.code ?? cause?.message ?? messageOf(error);
}

async function transfer(url: string, options: DownloadOptions, keep: (chunk: Uint8Array) => void): Promise<Download> {
  const { maxBytes = MAX_BYTES, stallMs = 30_000, onProgress, signal } = options;
  const stop = new AbortController();
  const outer = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', outer);
  const timer = setTimeout(() => stop.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  try {
    // At most 20 redirects (the fetch standard); an https address never leads to a file: or data: one.
    const response = await fetch(url, { signal: stop.signal, headers: { 'user-agent': 'yolov8-tfjs' } });
    if (response.status >= 500 || response.status === 429) throw new Passing(`the server answers ${response.status}`);
    if (!response.ok || !response.body)
      throw new UserError(
        'no-network',
        `cannot fetch ${url}: the server answers ${response.status} ${response.statusText}`,
        'check the address',
        1,
      );
    const contentType = response.headers.get('content-type')?.split(';')[0].trim().toLowerCase();
    options.onType?.(contentType);
    const said = Number(response.headers.get('content-length'));
    const total = said > 0 && !response.headers.get('content-encoding') ? said : undefined;
    if (total !== undefined && total > maxBytes) throw tooLarge(url, total, maxBytes);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh();
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(url, bytes, maxBytes);
      hash.update(chunk);
      keep(chunk);
      onProgress?.(bytes, total);
    }
    if (total !== undefined && bytes !== total) throw new Passing(`${bytes} of ${total} bytes came`);
    return { bytes, sha256: hash.digest('hex'), contentType, url: response.url };
  } catch (error) {
    throw stop.signal.aborted && !signal?.aborted ? stop.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', outer);
    stop.abort();
  }
}

function tooLarge(url: string, bytes: number, most: number): UserError {
  return new UserError('too-large', `${url} has ${bytes} bytes or more; at most ${most} are accepted`, undefined, 1);
}
