/**
 * Video in and out through a child process: ffmpeg, where it is installed. Frames come as PPM images over a pipe (each
 * says its own size, so rotation and changes of resolution need no extra question) and go out as raw RGB into an MP4.
 */
import { rename, rm } from 'node:fs/promises';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { askFfmpeg, type Child, requireFfmpeg, startFfmpeg } from './ffmpeg.js';

/** File endings that are taken for videos. */
export const VIDEO_EXTENSIONS = ['asf', 'avi', 'm4v', 'mkv', 'mov', 'mp4', 'mpeg', 'mpg', 'ts', 'webm', 'wmv'] as const;

export interface VideoOptions {
  /** Takes the last of every n frames; there may be none then. Default: 1, every frame. */
  stride?: number;
  /** Webcam or network stream: frames that come while the last one is worked on are dropped. */
  live?: boolean;
  /** Aborted: the child process is ended, whatever it waits for. */
  signal?: AbortSignal;
  /** What to call it in messages; default: the input. */
  name?: string;
  /** What ffmpeg gets on its standard input, for the input arguments `-i pipe:0`. */
  bytes?: AsyncIterable<Uint8Array>;
  /** Called once before the first frame. */
  onInfo?: (info: VideoInfo) => void;
}

export interface VideoInfo {
  /** Frames a second, before `stride`; 25 when the file doesn't tell. */
  fps: number;
  /** Estimated number of frames before `stride`; undefined for streams. */
  frames?: number;
}

/** Input arguments for the n-th camera of this machine. */
export function webcamArguments(index: number, platform: string = process.platform): string[] {
  if (platform === 'linux') return ['-f', 'v4l2', '-i', `/dev/video${index}`];
  if (platform === 'darwin') return ['-f', 'avfoundation', '-framerate', '30', '-i', `${index}`];
  throw new UserError(
    'no-webcam',
    `webcams are read on Linux and macOS; this is ${platform}`,
    'give a video or a stream',
  );
}

/**
 * Frames of a video file, a stream or a camera, one after the other. The child process is gone when the loop is left,
 * however it is left.
 * @param input a path, a URL, or complete ffmpeg input arguments
 */
export async function* readVideo(
  input: string | readonly string[],
  { stride = 1, live = false, signal, bytes, onInfo, ...about }: VideoOptions = {},
): AsyncGenerator<RgbImage> {
  const name = about.name ?? (typeof input === 'string' ? input : (input.at(-1) ?? ''));
  const version = await requireFfmpeg(`reading ${name}`);
  const args = ['-hide_banner', '-nostdin', '-nostats'];
  if (typeof input !== 'string') args.push(...input);
  else args.push(...(/^rtsps?:/i.test(input) ? ['-rtsp_transport', 'tcp'] : []), '-i', fileArgument(input));
  args.push('-map', '0:v:0', '-an', '-sn');
  if (stride > 1) args.push('-vf', `select=not(mod(n+1\\,${Math.floor(stride)}))`);
  args.push(...(version >= 5.1 ? ['-fps_mode', 'passthrough'] : ['-vsync', '0']));
  args.push('-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', 'pipe:1');
  const child = startFfmpeg(args, [bytes ? 'pipe' : 'ignore', 'pipe', 'pipe']);
  if (bytes) void feed(child, bytes);
  const stop = (): void => void child.stop();
  signal?.addEventListener('abort', stop, { once: true });
  let count = 0;
  try {
    const frames = live ? newestOnly(ppmFrames(child)) : ppmFrames(child);
    for await (const frame of frames) {
      if (count++ === 0) onInfo?.(videoInfo(child.messages()));
      yield frame;
    }
    const status = await child.done;
    if ((count === 0 && stride === 1) || status !== 0) {
      throw new UserError(
        'broken-video',
        `${name} ${count ? `ends badly after ${count} frames` : "can't be read as a video"}: ${child.reason()}`,
        undefined,
        1,
      );
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    await child.stop();
  }
}

/** Writes to its standard input as fast as it reads; when it ends before them, the bytes do not matter any longer. */
async function feed({ process: { stdin }, done }: Child, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (!stdin) return;
  let open = true;
  stdin
    .on('error', () => {})
    .on('close', () => {
      open = false;
    });
  try {
    for await (const chunk of bytes) {
      if (!open) return;
      if (!stdin.write(chunk)) await Promise.race([new Promise((resolve) => stdin.once('drain', resolve)), done]);
    }
  } catch {
    // the stream broke off: what came of the video is shown
  } finally {
    stdin.end();
  }
}

/** A path that begins with a dash or holds a colon must not be taken for an option or a protocol. */
function fileArgument(input: string): string {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(input) ? input : `file:${input}`;
}

/** What ffmpeg tells about its input on standard error. */
export function videoInfo(text: string): VideoInfo {
  const fps = Number(/Video:.*?(\d+(?:\.\d+)?) fps/.exec(text)?.[1] ?? /Video:.*?(\d+(?:\.\d+)?) tbr/.exec(text)?.[1]);
  const time = /Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(text);
  const known = Number.isFinite(fps) && fps > 0 && fps <= 1000;
  if (!time || !known) return { fps: known ? fps : 25 };
  const seconds = Number(time[1]) * 3600 + Number(time[2]) * 60 + Number(time[3]);
  return { fps, frames: Math.max(1, Math.round(seconds * fps)) };
}

/** Cuts standard output into PPM images: `P6 width height 255`, then rows of RGB. */
async function* ppmFrames(child: Child): AsyncGenerator<RgbImage> {
  let parts: Buffer[] = [];
  let have = 0;
  const stdout = child.process.stdout;
  if (!stdout) return;
  let head: { width: number; height: number; start: number } | undefined;
  for await (const part of stdout as AsyncIterable<Buffer>) {
    parts.push(part);
    have += part.length;
    for (;;) {
      if (!head) {
        if (parts.length > 1 && have < 64) parts = [Buffer.concat(parts)];
        head = ppmHeader(parts.length > 1 ? Buffer.concat(parts).subarray(0, 64) : parts[0]);
        if (!head) break;
      }
      const { width, height, start } = head;
      const size = start + width * height * 3;
      if (have < size) break;
      const all = parts.length > 1 ? Buffer.concat(parts) : parts[0];
      const data = new Uint8Array(all.subarray(start, size));
      parts = [all.subarray(size)];
      have -= size;
      head = undefined;
      yield { data, width, height };
    }
  }
}

function ppmHeader(bytes: Buffer): { width: number; height: number; start: number } | undefined {
  const match = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64));
  return match ? { width: Number(match[1]), height: Number(match[2]), start: match[0].length } : undefined;
}

/** Reads on while the consumer works and hands it only the newest frame. */
async function* newestOnly(frames: AsyncGenerator<RgbImage>): AsyncGenerator<RgbImage> {
  let newest: RgbImage | undefined;
  let ended = false;
  let failure: unknown;
  let wake = (): void => {};
  const reading = (async () => {
    for await (const frame of frames) {
      newest = frame;
      wake();
    }
  })()
    .catch((error) => {
      failure = error;
    })
    .finally(() => {
      ended = true;
      wake();
    });
  for (;;) {
    if (newest) {
      const frame = newest;
      newest = undefined;
      yield frame;
    } else if (ended) break;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  await reading;
  if (failure) throw failure;
}

/** Takes frames of one size and makes a file of them. */
export interface VideoWriter {
  readonly path: string;
  write(frame: RgbImage): Promise<void>;
  /** Finishes the file; without it nothing is left at `path`. */
  close(): Promise<void>;
  /** Gives up: the half-written file is removed. */
  abort(): Promise<void>;
}

/** Starts an MP4 (H.264 where ffmpeg has it, else MPEG-4). It appears at `path` when it is complete. */
export async function createVideo(path: string, width: number, height: number, fps: number): Promise<VideoWriter> {
  await requireFfmpeg(`writing ${path}`);
  const codec = /\blibx264\b/.test(await askFfmpeg('-encoders'))
    ? ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p']
    : ['-c:v', 'mpeg4', '-q:v', '3', '-pix_fmt', 'yuv420p'];
  const part = `${path}.part`;
  const args = ['-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24'];
  args.push('-s', `${width}x${height}`, '-r', `${fps}`, '-i', 'pipe:0');
  // Chroma is halved, so sides are padded to even numbers.
  args.push('-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', ...codec, '-movflags', '+faststart', '-f', 'mp4', `file:${part}`);
  const child = startFfmpeg(args, ['pipe', 'ignore', 'pipe']);
  const pipe = child.process.stdin;
  let broken: Error | undefined;
  pipe?.on('error', (error) => {
    broken = error;
  });
  const failed = (): UserError =>
    new UserError('no-video-written', `${path} can't be written: ${child.reason()}`, undefined, 1);
  return {
    path,
    async write(frame) {
      if (frame.width !== width || frame.height !== height) {
        throw new UserError(
          'frame-size',
          `${path}: a frame is ${frame.width}x${frame.height}, the video ${width}x${height}`,
        );
      }
      if (broken || !pipe || child.process.exitCode !== null) throw failed();
      if (pipe.write(frame.data)) return;
      await Promise.race([new Promise((resolve) => pipe.once('drain', resolve)), child.done]);
    },
    async close() {
      pipe?.end();
      if ((await child.done) !== 0) {
        await rm(part, { force: true });
        throw failed();
      }
      await rename(part, path).catch((error) => {
        throw new UserError('no-video-written', `${path} can't be written: ${messageOf(error)}`, undefined, 1);
      });
    },
    async abort() {
      await child.stop();
      await rm(part, { force: true });
    },
  };
}
