/**
 * Videos that are not local files: at a URL, or bytes from a pipe. Where the container needs seeking and the source does
 * not support it, the video is first written to a temporary file, which is removed when the iteration ends.
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

/** Frames of a video at a URL; the video is downloaded first when the server does not support range requests. */
export async function* framesOfUrl(url: string, options: VideoOptions): AsyncGenerator<RgbImage> {
  const { signal } = options;
  if (await servesRanges(url, { signal })) {
    yield* readVideo(url, options);
    return;
  }
  yield* fromFile(
    (path) =>
      progress.track({ label: `Downloading ${url}`, unit: 'bytes' }, async (update) => {
        await download(url, path, { signal, onProgress: update });
      }),
    { ...options, name: url },
  );
}

/**
 * Frames of a video from a stream of bytes.
 * @param head the first bytes; `rest` yields those that follow
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
