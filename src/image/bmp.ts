/**
 * Decodes Windows bitmaps, which the imaging library does not support: 1, 4, 8, 16, 24 and 32 bits per pixel, uncompressed,
 * with bit fields or run-length encoded. Format: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPINFOHEADER and later).
 */
import { UserError } from '../core/errors.js';
import type { RgbImage } from '../core/types.js';

interface Header {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  /** 0 none, 1 RLE8, 2 RLE4, 3 and 6 bit fields. */
  compression: number;
  /** Offset of the pixels in the file. */
  pixelsAt: number;
  /** Masks of red, green and blue for 16 and 32 bits per pixel. */
  masks: [number, number, number];
  palette: Uint8Array;
  paletteStep: 3 | 4;
}

/** Whether a file is a bitmap by its first bytes. */
export function isBmp(bytes: Uint8Array): boolean {
  return bytes.length > 26 && bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/**
 * @returns the image, RGB
 * @throws UserError 'broken-image' if it is damaged or has more than `maxPixels` pixels; codec.ts adds the name of the file
 */
export function decodeBmp(bytes: Uint8Array, maxPixels = Number.POSITIVE_INFINITY): RgbImage {
  const head = readHeader(bytes);
  const { width, height, bits, compression } = head;
  if (width * height > maxPixels) throw broken('pixel limit');
  const out = new Uint8Array(width * height * 3);
  const put = (x: number, row: number, r: number, g: number, b: number): void => {
    const at = ((head.topDown ? row : height - 1 - row) * width + x) * 3;
    out[at] = r;
    out[at + 1] = g;
    out[at + 2] = b;
  };
  const putIndex = (x: number, row: number, index: number): void => {
    const p = index * head.paletteStep;
    put(x, row, head.palette[p + 2] ?? 0, head.palette[p + 1] ?? 0, head.palette[p] ?? 0);
  };
  if (compression === 1 || compression === 2) {
    readRunLengths(bytes, head, putIndex);
    return { data: out, width, height };
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (head.pixelsAt + stride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length)
    throw broken('the file is truncated');
  for (let row = 0; row < height; row++) {
    const at = head.pixelsAt + row * stride;
    if (bits <= 8) readIndexed(bytes, at, row, head, putIndex);
    else if (bits === 24) {
      for (let x = 0, i = at; x < width; x++, i += 3) put(x, row, bytes[i + 2], bytes[i + 1], bytes[i]);
    } else readMasked(bytes, at, row, head, put);
  }
  return { data: out, width, height };
}

/** Size in pixels, from the header. @throws UserError 'broken-image' */
decodeBmp.size = (bytes: Uint8Array): { width: number; height: number } => {
  const { width, height } = readHeader(bytes);
  return { width, height };
};

function broken(why: string): UserError {
  return new UserError('broken-image', `bitmap: ${why}`, undefined, 1);
}

function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pixelsAt = view.getUint32(10, true);
  const size = view.getUint32(14, true);
  const old = size === 12; // BITMAPCOREHEADER
  if (!old && (size < 40 || bytes.length < 54)) throw broken('unknown header');
  const width = old ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = old ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(old ? 24 : 28, true);
  const compression = old ? 0 : view.getUint32(30, true);
  if (width <= 0 || signed === 0 || ![1, 4, 8, 16, 24, 32].includes(bits)) throw broken('invalid size or depth');
  const fits = [[0], [1, 0], [2, 0], [3, 0], [6, 0]].some(([c]) => c === compression);
  if (!fits || (compression === 1 && bits !== 8) || (compression === 2 && bits !== 4))
    throw broken('unknown compression');
  let masks: Header['masks'] = bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff];
  const fields = compression === 3 || compression === 6;
  if (fields) {
    if (bytes.length < 66) throw broken('the file is truncated');
    masks = [view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true)];
  }
  const paletteAt = 14 + size + (fields && size === 40 ? 12 : 0);
  const palette = bytes.subarray(paletteAt, Math.max(paletteAt, pixelsAt));
  const height = Math.abs(signed);
  const topDown = !old && signed < 0;
  return { width, height, topDown, bits, compression, pixelsAt, masks, palette, paletteStep: old ? 3 : 4 };
}

type PutIndex = (x: number, row: number, index: number) => void;

function readIndexed(bytes: Uint8Array, at: number, row: number, { width, bits }: Header, put: PutIndex): void {
  const mask = (1 << bits) - 1;
  for (let x = 0; x < width; x++) {
    const bit = x * bits;
    put(x, row, (bytes[at + (bit >> 3)] >> (8 - bits - (bit & 7))) & mask);
  }
}

function readMasked(
  bytes: Uint8Array,
  at: number,
  row: number,
  { width, bits, masks }: Header,
  put: (x: number, row: number, r: number, g: number, b: number) => void,
): void {
  const channel = (value: number, mask: number): number => {
    if (mask === 0) return 0;
    const shift = 31 - Math.clz32(mask & -mask);
    const top = mask >>> shift;
    return Math.round((((value & mask) >>> shift) * 255) / top);
  };
  for (let x = 0; x < width; x++) {
    const i = at + (x * bits) / 8;
    const low = bytes[i] | (bytes[i + 1] << 8);
    const value = bits === 16 ? low : (low | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)) >>> 0;
    put(x, row, channel(value, masks[0]), channel(value, masks[1]), channel(value, masks[2]));
  }
}

/** RLE8 and RLE4: pairs (count, value); count 0 escapes: 0 end of row, 1 end of image, 2 move, n literal indices. */
function readRunLengths(bytes: Uint8Array, head: Header, put: PutIndex): void {
  const { width, height, bits } = head;
  const perByte = 8 / bits;
  const nibble = (value: number, i: number): number => (bits === 8 ? value : i % 2 === 0 ? value >> 4 : value & 15);
  let [at, x, row] = [head.pixelsAt, 0, 0];
  const set = (index: number): void => {
    if (x < width && row < height) put(x, row, index);
    x++;
  };
  while (at + 1 < bytes.length && row < height) {
    const [count, value] = [bytes[at], bytes[at + 1]];
    at += 2;
    if (count > 0) {
      for (let i = 0; i < count; i++) set(nibble(value, i));
    } else if (value === 0) {
      x = 0;
      row++;
    } else if (value === 1) {
      return;
    } else if (value === 2) {
      x += bytes[at];
      row += bytes[at + 1];
      at += 2;
    } else {
      for (let i = 0; i < value; i++) set(nibble(bytes[at + Math.floor(i / perByte)], i));
      at += Math.ceil(value / perByte / 2) * 2;
    }
  }
}
