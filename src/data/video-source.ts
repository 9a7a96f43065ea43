/**
 * Videos that are no files here: behind an address, or bytes that come through a pipe. Where ffmpeg has to jump about in one
 * and cannot, it is put into a temporary file first, which is gone when the loop over its frames is left.
 */
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { progress } from '../core/progress.js';
import type { RgbImage } from '../core/types.js';
import { readVideo, type VideoOptions } from '../image/video.js';
import { videoContainer } from '../image/video-container.js';
import { download, servesRanges } from '../io/fetch.js';
import { temporaryFolderBeside } from '../io/temporary-folder.js';

/** Frames of a video at an address: a server that gives no parts of a file is asked for all of it. */
export async function* framesOfUrl(url: string, options: VideoOptions): AsyncGenerator<RgbImage> {
  const { signal } = options;
  if (await servesRanges(url, { signal })) {
    yield* readVideo(url, options);
    return;
  }
  yield* fromFile(
    (path) =>
      progress.track({ label: `Fetching ${url}`, unit: 'bytes' }, async (update) => {
        await download(url, path, { signal, onProgress: update });
      }),
    { ...options, name: url },
  );
}

/**
 * Frames of a video whose bytes come one after the other.
 * @param head its beginning; the rest follows in `rest`
 */
export async function* framesOfBytes(
  { head, rest }: { head: Uint8Array; rest: AsyncIterable<Uint8Array> },
  options: VideoOptions & { name: string },
): AsyncGenerator<RgbImage> {
  const bytes = joined(head, rest);
  if (videoContainer(head) === 'stream') yield* readVideo(['-i', 'pipe:0'], { ...options, bytes });
  else yield* fromFile((path) => pipeline(bytes, createWriteStream(path), { signal: options.signal }), options);
}

async function* fromFile(
  fill: (path: string) => Promise<unknown>,
  options: VideoOptions & { name: string },
): AsyncGenerator<RgbImage> {
  const folder = temporaryFolderBeside(join(tmpdir(), 'video'));
  try {
    const path = join(folder.path, 'video');
    await fill(path);
    yield* readVideo(path, options);
  } finally {
    folder.remove();
  }
}

async function* joined(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  yield* rest;
}
