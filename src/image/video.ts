/**
 * Reading and writing of videos by ffmpeg in a child process. Frames are read as PPM images from a pipe (each contains its
 * size, so that rotation and changes of resolution need no special treatment) and written as raw RGB.
 */
import { rename, rm } from 'node:fs/promises';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { type Child, queryFfmpeg, requireFfmpeg, startFfmpeg } from './ffmpeg.js';

/** Extensions of files that are read as videos. */
export const VIDEO_EXTENSIONS = ['asf', 'avi', 'm4v', 'mkv', 'mov', 'mp4', 'mpeg', 'mpg', 'ts', 'webm', 'wmv'] as const;

/** How a video is read. */
export interface VideoOptions {
  /** Read only the last of every n frames; a shorter video then has none. Default: 1, every frame. */
  stride?: number;
  /** Webcam or network stream: frames that arrive while the consumer is busy are dropped, except the newest. */
  live?: boolean;
  /** Ends the child process when aborted. */
  signal?: AbortSignal;
  /** Name in messages; default: the input. */
  name?: string;
  /** Standard input of ffmpeg, for the input arguments `-i pipe:0`. */
  bytes?: AsyncIterable<Uint8Array>;
  /** Called once before the first frame. */
  onInfo?: (info: VideoInfo) => void;
}

/** Properties of a video. */
export interface VideoInfo {
  /** Frames per second, before `stride`; 25 if unknown. */
  fps: number;
  /** Estimated number of frames before `stride`; undefined for streams. */
  frames?: number;
}

/** @returns ffmpeg's input arguments for a camera @throws UserError 'no-webcam' on platforms other than Linux and macOS */
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
 * Reads a video file, a stream or a camera. The child process ends when the loop is left.
 * @param input a path, a URL, or complete ffmpeg input arguments
 * @yields the frames, RGB
 * @throws UserError 'no-ffmpeg' if ffmpeg is missing, 'broken-video' if the video cannot be read (exit code 1)
 */
export async function* readVideo(
  input: string | readonly string[],
  { stride = 1, live = false, signal, bytes, onInfo, ...options }: VideoOptions = {},
): AsyncGenerator<RgbImage> {
  const name = options.name ?? (typeof input === 'string' ? input : (input.at(-1) ?? ''));
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

/** Writes to ffmpeg's standard input with backpressure; stops if ffmpeg ends first. */
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
    // the source failed: the frames received so far are yielded
  } finally {
    stdin.end();
  }
}

/** A path that begins with a dash or contains a colon must not be parsed as an option or a protocol. */
function fileArgument(input: string): string {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(input) ? input : `file:${input}`;
}

/** Parses the description of the input in ffmpeg's standard error. */
export function videoInfo(text: string): VideoInfo {
  const fps = Number(/Video:.*?(\d+(?:\.\d+)?) fps/.exec(text)?.[1] ?? /Video:.*?(\d+(?:\.\d+)?) tbr/.exec(text)?.[1]);
  const time = /Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(text);
  const known = Number.isFinite(fps) && fps > 0 && fps <= 1000;
  if (!time || !known) return { fps: known ? fps : 25 };
  const seconds = Number(time[1]) * 3600 + Number(time[2]) * 60 + Number(time[3]);
  return { fps, frames: Math.max(1, Math.round(seconds * fps)) };
}

/** Splits standard output into PPM images: `P6 width height 255`, then rows of RGB. */
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

/** Keeps reading while the consumer is busy, and yields only the newest frame. */
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

/** Writes frames of the same size to a video file. */
export interface VideoWriter {
  readonly path: string;
  /** @throws UserError 'frame-size' for a frame of another size, 'no-video-written' (exit code 1) if ffmpeg failed */
  write(frame: RgbImage): Promise<void>;
  /** Completes the file and moves it to `path`. @throws UserError 'no-video-written' (exit code 1) */
  close(): Promise<void>;
  /** Removes the incomplete file. */
  abort(): Promise<void>;
}

/**
 * Starts writing an MP4 file (H.264 if ffmpeg supports it, else MPEG-4). It appears at `path` when it is complete.
 * @param fps frames per second
 * @throws UserError 'no-ffmpeg'
 */
export async function createVideo(path: string, width: number, height: number, fps: number): Promise<VideoWriter> {
  await requireFfmpeg(`writing ${path}`);
  const codec = /\blibx264\b/.test(await queryFfmpeg('-encoders'))
    ? ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p']
    : ['-c:v', 'mpeg4', '-q:v', '3', '-pix_fmt', 'yuv420p'];
  const part = `${path}.part`;
  const args = ['-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24'];
  args.push('-s', `${width}x${height}`, '-r', `${fps}`, '-i', 'pipe:0');
  // Chroma subsampling (yuv420p) needs an even width and height.
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
