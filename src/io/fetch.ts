/**
 * Downloads over http(s): released weights, dataset archives, images given by URL. Files are written atomically; redirects,
 * size and stalls are limited, and a failed transfer is repeated.
 */
import { createHash } from 'node:crypto';
import { messageOf, UserError } from '../core/errors.js';
import { openAtomic } from './files.js';

/** Limits and callbacks of a download. */
export interface DownloadOptions {
  /** Maximum size in bytes, default 4 GB. */
  maxBytes?: number;
  /** Called as bytes arrive; `total` is undefined if the server does not send the size. */
  onProgress?: (done: number, total?: number) => void;
  /** Called with the content type, without parameters, before the body is read; may throw. */
  onType?: (contentType: string | undefined) => void;
  /** Expected sha256 in hexadecimal; a file with another hash is refused. */
  sha256?: string;
  /** Milliseconds without data after which a transfer fails, default 30,000. */
  stallMs?: number;
  signal?: AbortSignal;
  /** Number of retries after a broken connection or a server error, default 2. */
  retries?: number;
}

/** What was downloaded. */
export interface Download {
  bytes: number;
  sha256: string;
  /** From the server, without parameters, e.g. 'image/jpeg'. */
  contentType?: string;
  /** URL after redirects. */
  url: string;
}

const MAX_BYTES = 4 * 2 ** 30;

/** Whether a text is an http(s) URL. */
export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Downloads to a file.
 * @throws UserError 'bad-url' if it is no http(s) URL; with exit code 1 'no-network' if there is no connection or the server
 *   reports an error, 'too-large' and 'bad-download' (wrong hash). Then no file is left behind.
 */
export async function download(url: string, dest: string, options: DownloadOptions = {}): Promise<Download> {
  return withRetries(url, options, async () => {
    const file = openAtomic(dest);
    try {
      const got = await transfer(url, options, (chunk) => file.write(chunk));
      if (options.sha256 && got.sha256 !== options.sha256)
        throw new UserError(
          'bad-download',
          `${url}: the file has the sha256 ${got.sha256}, but ${options.sha256} was expected; it was not saved`,
          'it may have been modified in transit: try another network',
          1,
        );
      file.commit();
      return got;
    } finally {
      file.abort();
    }
  });
}

/** Downloads to memory, at most 256 MB by default. @throws UserError as `download` */
export async function fetchBytes(url: string, options: DownloadOptions = {}): Promise<Download & { data: Uint8Array }> {
  const limits = { maxBytes: 256 << 20, ...options };
  return withRetries(url, limits, async () => {
    const chunks: Uint8Array[] = [];
    const got = await transfer(url, limits, (chunk) => chunks.push(chunk));
    return { ...got, data: Buffer.concat(chunks) };
  });
}

/**
 * Downloads to memory only if the content type is accepted.
 * @param accept decides by the content type, without parameters, before the body is read
 * @returns the content type and, if accepted, the data
 * @throws UserError as `download`
 */
export async function fetchIf(
  url: string,
  accept: (contentType: string | undefined) => boolean,
  options: DownloadOptions = {},
): Promise<{ contentType?: string; data?: Uint8Array }> {
  let contentType: string | undefined;
  const onType = (type: string | undefined): void => {
    contentType = type;
    if (!accept(type)) throw new UserError('not-wanted', `${url} is ${type}`);
  };
  try {
    return await fetchBytes(url, { ...options, onType });
  } catch (error) {
    if (error instanceof UserError && error.code === 'not-wanted') return { contentType };
    throw error;
  }
}

/** Whether the server supports range requests, so that a reader can seek in the file; false if the request fails. */
export async function servesRanges(url: string, { signal }: { signal?: AbortSignal } = {}): Promise<boolean> {
  const timeout = AbortSignal.timeout(10_000);
  const headers = { range: 'bytes=0-0', 'user-agent': 'yolov8-tfjs' };
  try {
    const response = await fetch(url, { headers, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    await response.body?.cancel();
    return response.status === 206;
  } catch {
    return false;
  }
}

/** A failure that a retry may resolve. */
class TransientError extends Error {}

async function withRetries<T>(url: string, options: DownloadOptions, once: () => Promise<T>): Promise<T> {
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
  const timer = setTimeout(() => stop.abort(new Error(`no data received for ${stallMs / 1000} s`)), stallMs);
  try {
    // fetch follows at most 20 redirects, and none from https to file: or data: (Fetch standard).
    const response = await fetch(url, { signal: stop.signal, headers: { 'user-agent': 'yolov8-tfjs' } });
    if (response.status >= 500 || response.status === 429)
      throw new TransientError(`the server answered ${response.status}`);
    if (!response.ok || !response.body)
      throw new UserError(
        'no-network',
        `cannot fetch ${url}: the server answered ${response.status} ${response.statusText}`,
        'check the address',
        1,
      );
    const contentType = response.headers.get('content-type')?.split(';')[0].trim().toLowerCase();
    options.onType?.(contentType);
    const contentLength = Number(response.headers.get('content-length'));
    const total = contentLength > 0 && !response.headers.get('content-encoding') ? contentLength : undefined;
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
    if (total !== undefined && bytes !== total) throw new TransientError(`received ${bytes} of ${total} bytes`);
    return { bytes, sha256: hash.digest('hex'), contentType, url: response.url };
  } catch (error) {
    throw stop.signal.aborted && !signal?.aborted ? stop.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', outer);
    stop.abort();
  }
}

function tooLarge(url: string, bytes: number, max: number): UserError {
  return new UserError('too-large', `${url} has ${bytes} bytes or more; at most ${max} are accepted`, undefined, 1);
}
