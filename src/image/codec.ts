/**
 * Decoding and encoding of images by the library sharp (libvips). Colours are those of OpenCV's imread, with which the
 * published weights were trained: embedded colour profiles are ignored, an alpha channel is dropped (not blended), of 16 bits
 * the upper 8 are used, CMYK is converted without a profile, EXIF orientation is applied.
 */
import { open, readFile, stat } from 'node:fs/promises';
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { messageOf, UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';
import { forLibrary } from '../core/written-path.js';
import { kindOfFile } from '../io/files.js';
import { decodeBmp, isBmp } from './bmp.js';
import { FORMAT_BYTES, imageFormat } from './format.js';
import { imageTooLarge, pixelLimit } from './pixel-limit.js';

/** Path of a file, or the bytes of one. */
export type ImageSource = string | Uint8Array;

/** Limits of decoding. */
export interface DecodeOptions {
  /** Larger images are refused before they are decoded. Default: by the memory (pixel-limit.ts). */
  maxPixels?: number;
  /** Decode truncated files, with grey in place of the missing data. Default: false, they are refused. */
  acceptTruncated?: boolean;
  /** Name of the image in messages; default: the path. */
  name?: string;
}

/** Properties of an image file. */
export interface ImageInfo {
  /** Pixels, after EXIF orientation. */
  width: number;
  height: number;
  /** 'jpeg', 'png', 'webp', 'gif', 'bmp', 'tiff', 'heif' … */
  format: string;
  /** Frames of an animation, else 1. */
  frames: number;
  /** Mean frames per second of an animation. */
  fps?: number;
}

export { IMAGE_EXTENSIONS, isUnsupportedExtension } from './format.js';

/** Pixels of the frames of an animation that are decoded at a time. */
const FRAME_GROUP_PIXELS = 16_000_000;

// No image is decoded twice, so that libvips' cache of operations would only use memory.
sharp.cache(false);

/** Sets the number of threads per image of the imaging library (1 in worker threads). */
export function setImageThreads(threads: number): void {
  sharp.concurrency(threads);
}

/**
 * Decodes an image, or the first frame of an animation. SVG is rendered only if the name ends in .svg, because other formats
 * are recognized by content and an SVG may refer to other files.
 * @returns RGB, after EXIF orientation
 * @throws UserError 'broken-image' if it cannot be decoded, 'image-too-large', 'missing-file', 'not-a-file', or
 *   'unreadable-file' for errors of the operating system
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions = {}): Promise<RgbImage> {
  return guarded(source, options, async () => {
    const bytes = await load(source);
    requireSupported(bytes, nameOf(source, options));
    if (isBmp(bytes)) return decodeBmp(bytes, options.maxPixels ?? pixelLimit());
    const { space } = await sharp(bytes, inputOptions(options)).metadata();
    let pipeline = sharp(bytes, { ...inputOptions(options), autoOrient: true });
    if (space === 'cmyk') pipeline = pipeline.pipelineColourspace('cmyk').toColourspace('cmyk');
    const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (space === 'cmyk' && info.channels >= 4) {
      return { data: cmykToRgb(data, info.channels), width: info.width, height: info.height };
    }
    return { data: toRgb(data, info.channels), width: info.width, height: info.height };
  });
}

/** Reads the header of an image, without decoding it. @throws UserError as decodeImage */
export async function readImageSize(source: ImageSource, options: DecodeOptions = {}): Promise<ImageInfo> {
  return guarded(source, options, async () => {
    const start = typeof source === 'string' ? await firstBytes(source) : source;
    requireSupported(start, nameOf(source, options));
    if (isBmp(start)) return { ...decodeBmp.size(start), format: 'bmp', frames: 1 };
    const meta = await sharp(inputOf(source), inputOptions(options)).metadata();
    const rotated = (meta.orientation ?? 1) >= 5;
    const animated = meta.format === 'gif' || meta.format === 'webp';
    const milliseconds = animated ? (meta.delay ?? []).reduce((sum, ms) => sum + ms, 0) : 0;
    return {
      width: rotated ? meta.height : meta.width,
      height: rotated ? meta.width : meta.height,
      format: meta.format,
      frames: animated ? (meta.pages ?? 1) : 1,
      fps: milliseconds > 0 ? (1000 * (meta.pages ?? 1)) / milliseconds : undefined,
    };
  });
}

/**
 * Perceptual hash: difference hash (Krawetz 2013) of 16 x 16 brightness gradients. Images that look alike, in any size and
 * compression, differ in few of its 256 bits.
 * @returns 8 words of 32 bits; undefined for an image with too few gradients to compare (e.g. of one colour)
 * @throws UserError as decodeImage
 */
export async function imageFingerprint(path: string): Promise<Uint32Array | undefined> {
  return guarded(path, {}, async () => {
    requireSupported(await firstBytes(path), path);
    const input = sharp(forLibrary(path), inputOptions({ acceptTruncated: true }))
      .autoOrient()
      .greyscale();
    const grey = await input.resize(17, 16, { fit: 'fill' }).raw().toBuffer();
    const bits = new Uint32Array(8);
    let steps = 0;
    for (let y = 0; y < 16; y++) {
      for (let x = 0; x < 16; x++) {
        const difference = grey[y * 17 + x + 1] - grey[y * 17 + x];
        // Differences up to 3 may be compression noise.
        if (Math.abs(difference) > 3) steps++;
        if (difference > 3) bits[y >> 1] |= 1 << (((y & 1) << 4) | x);
      }
    }
    return steps < 24 ? undefined : bits;
  });
}

/** @yields the frames of an animated GIF or WebP; of a still image one @throws UserError as decodeImage */
export async function* decodeFrames(source: ImageSource, options: DecodeOptions = {}): AsyncGenerator<RgbImage> {
  const { width, height, frames } = await readImageSize(source, options);
  if (frames === 1) {
    yield await decodeImage(source, options);
    return;
  }
  const group = Math.max(1, Math.floor(FRAME_GROUP_PIXELS / (width * height)));
  for (let first = 0; first < frames; first += group) {
    const pages = Math.min(group, frames - first);
    const strip = await guarded(source, options, async () => {
      const input = sharp(inputOf(source), { ...inputOptions(options), page: first, pages });
      const { data, info } = await input.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
      return { data: toRgb(data, info.channels), width: info.width, height: info.height };
    });
    const rows = strip.height / pages;
    const size = strip.width * rows * 3;
    for (let i = 0; i < pages; i++) {
      yield { data: strip.data.slice(i * size, (i + 1) * size), width: strip.width, height: rows };
    }
  }
}

/**
 * Encodes an image.
 * @param quality 1..100, for 'jpg' and 'webp'
 * @returns the contents of the file
 */
export async function encodeImage(
  image: RgbImage,
  format: 'jpg' | 'png' | 'webp' = 'jpg',
  quality = 92,
): Promise<Buffer> {
  const input = raw(image);
  if (format === 'png') return input.png({ compressionLevel: 6 }).toBuffer();
  if (format === 'webp') return input.webp({ quality }).toBuffer();
  return input.jpeg({ quality, chromaSubsampling: quality >= 95 ? '4:4:4' : '4:2:0' }).toBuffer();
}

/**
 * Encodes frames of the same size as an animated WebP.
 * @param fps frames per second
 * @param quality 1..100
 * @returns the contents of the file
 */
export async function encodeAnimation(frames: readonly RgbImage[], fps: number, quality = 80): Promise<Buffer> {
  const { width, height } = frames[0];
  const strip = Buffer.concat(frames.map((frame) => frame.data));
  const shape = { width, height: height * frames.length, channels: 3 as const, pageHeight: height };
  const input = sharp(strip, { raw: shape, limitInputPixels: false });
  return input.webp({ quality, loop: 0, delay: frames.map(() => Math.round(1000 / fps)), effort: 2 }).toBuffer();
}

/** Renders an SVG of the same size over an image. Text must be paths, since fonts differ between machines. @returns RGB */
export async function compositeSvg(image: RgbImage, svg: string): Promise<RgbImage> {
  const pipeline = raw(image).composite([{ input: Buffer.from(svg), top: 0, left: 0, limitInputPixels: false }]);
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  return { data: toRgb(data, info.channels), width: info.width, height: info.height };
}

/** Renders an SVG (a plot) on white, at `scale` times its size. */
export async function renderSvg(svg: string, scale = 1): Promise<RgbImage> {
  const input = sharp(Buffer.from(svg), { density: 72 * scale, limitInputPixels: false });
  const { data, info } = await input.flatten({ background: '#fff' }).raw().toBuffer({ resolveWithObject: true });
  return { data: toRgb(data, info.channels), width: info.width, height: info.height };
}

/** Renders the opacity of an SVG, for use as a mask. @returns [height, width], 0..255 */
export async function svgCoverage(svg: string): Promise<{ data: Uint8Array; width: number; height: number }> {
  const input = sharp(Buffer.from(svg), { limitInputPixels: false }).ensureAlpha().extractChannel(3);
  const { data, info } = await input.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

function raw(image: RgbImage): Sharp {
  const { width, height } = image;
  return sharp(image.data, { raw: { width, height, channels: 3 }, limitInputPixels: false });
}

function inputOptions({ maxPixels, acceptTruncated }: DecodeOptions): SharpOptions {
  // 'truncated' and not 'warning': complete files with minor faults (a wrong marker or comment) are common and decode well.
  const failOn = acceptTruncated ? 'none' : 'truncated';
  return { ignoreIcc: true, failOn, limitInputPixels: Math.floor(maxPixels ?? pixelLimit()), sequentialRead: true };
}

function inputOf(source: ImageSource): ImageSource {
  return typeof source === 'string' ? forLibrary(source) : source;
}

function nameOf(source: ImageSource, { name }: DecodeOptions): string {
  return name ?? (typeof source === 'string' ? source : 'the image');
}

async function load(source: ImageSource): Promise<Uint8Array> {
  if (typeof source !== 'string') return source;
  await requirePlainFile(source);
  return readFile(source);
}

async function firstBytes(path: string): Promise<Uint8Array> {
  await requirePlainFile(path);
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FORMAT_BYTES), 0, FORMAT_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Reading a pipe would block until a process writes to it. */
async function requirePlainFile(path: string): Promise<void> {
  const info = await stat(path);
  if (!info.isFile()) throw new UserError('not-a-file', `${path} is ${kindOfFile(info)}, not an image`);
}

function requireSupported(head: Uint8Array, name: string): void {
  const format = imageFormat(head);
  if (format?.supported || (format?.name === 'SVG' && /\.svg([?#]|$)/i.test(name))) return;
  const what = head.length === 0 ? 'the file is empty' : `its content is ${format?.name ?? 'of no image format'}`;
  const hint =
    format?.name === 'SVG' ? 'SVG is rendered only if the file name ends in .svg' : 'convert it to JPEG or PNG';
  throw new UserError('broken-image', `${name} can't be read as an image: ${what}`, hint, 1);
}

/** Runs `work` and converts its errors to a UserError that names the image. */
async function guarded<T>(source: ImageSource, options: DecodeOptions, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Errors of this project's decoders do not contain the name.
    if (
      error instanceof UserError &&
      (error.code !== 'broken-image' || error.message.startsWith(nameOf(source, options)))
    )
      throw error;
    const name = nameOf(source, options);
    const unreadable =
      systemError(name, error) ?? (typeof source === 'string' ? await readError(source, name) : undefined);
    if (unreadable) throw unreadable;
    const why = messageOf(error).split('\n')[0].trim();
    if (/out of memory|cannot allocate/i.test(why)) throw noMemory(name, why);
    if (/pixel limit/i.test(why)) throw imageTooLarge(name, options.maxPixels ?? pixelLimit());
    throw new UserError('broken-image', `${name} can't be read as an image: ${why}`, undefined, 1);
  }
}

function noMemory(name: string, why: string): UserError {
  return new UserError('unreadable-file', `${name} cannot be decoded now: ${why}`, 'close other programs', 1);
}

/** Error of the operating system, if any, which the imaging library does not distinguish from a damaged file. */
async function readError(path: string, name: string): Promise<UserError | undefined> {
  try {
    await load(path);
    return undefined;
  } catch (error) {
    return systemError(name, error);
  }
}

/** @returns undefined if it is not an error of the operating system */
function systemError(name: string, error: unknown): UserError | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || typeof errno !== 'number') return undefined;
  if (code === 'ENOENT') return new UserError('missing-file', `${name}: there is no such file`);
  const why = messageOf(error).replace(/,[^,]*$/, '');
  return new UserError('unreadable-file', `${name} cannot be read: ${why}`, 'check its permissions and its disk', 1);
}

/** Converts one to four channels (grey, grey + alpha, RGB, RGBA) to RGB; alpha is dropped. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0];
  for (let i = 0, j = 0, k = 0; i < pixels; i++, j += 3, k += channels) {
    out[j] = data[k];
    out[j + 1] = data[k + g];
    out[j + 2] = data[k + b];
  }
  return out;
}

/** CMYK to RGB without a colour profile: R = (255 − C) · (255 − K) / 255, approximated by a shift as in OpenCV. */
function cmykToRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0, j = 0, k = 0; i < pixels; i++, j += 3, k += channels) {
    const light = 255 - data[k + 3];
    for (let c = 0; c < 3; c++) out[j + c] = light - ((data[k + c] * light) >> 8);
  }
  return out;
}
