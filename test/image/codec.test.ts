import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../src/core/types.js';
import {
  compositeSvg,
  decodeFrames,
  decodeImage,
  encodeAnimation,
  encodeImage,
  readImageSize,
} from '../../src/image/codec.js';
import { tmpDir } from '../helpers/tmp.js';

/** An image with another value at every place. */
function pattern(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (i * 37 + (i >> 5) * 11) & 255;
  return { data, width, height };
}

const raw = (image: RgbImage) => sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });

describe('decodeImage', () => {
  const image = pattern(23, 17);

  it('gives back what PNG and lossless WebP hold', async () => {
    for (const bytes of [await encodeImage(image, 'png'), await raw(image).webp({ lossless: true }).toBuffer()]) {
      const got = await decodeImage(bytes);
      expect([got.width, got.height]).toEqual([23, 17]);
      expect(Buffer.compare(got.data, image.data)).toBe(0);
    }
  });

  it('grey becomes three equal channels', async () => {
    const got = await decodeImage(await raw(image).greyscale().png().toBuffer());
    expect(got.data.length).toBe(23 * 17 * 3);
    for (let i = 0; i < got.data.length; i += 3)
      expect(got.data[i] === got.data[i + 1] && got.data[i] === got.data[i + 2]).toBe(true);
  });

  it('16 bits become the upper 8, in colour and grey', async () => {
    const wide = Uint16Array.from(image.data, (v, i) => v * 256 + (i % 256));
    const from = { raw: { width: 23, height: 17, channels: 3 as const } };
    const colour = await sharp(wide, from).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(colour).metadata()).depth).toBe('ushort');
    expect(Buffer.compare((await decodeImage(colour)).data, image.data)).toBe(0);
  });

  it('alpha is cut off, not blended', async () => {
    const rgba = new Uint8Array(23 * 17 * 4);
    for (let i = 0; i < 23 * 17; i++) rgba.set([...image.data.subarray(i * 3, i * 3 + 3), i % 7 ? 90 : 0], i * 4);
    const bytes = await sharp(rgba, { raw: { width: 23, height: 17, channels: 4 } })
      .png()
      .toBuffer();
    expect(Buffer.compare((await decodeImage(bytes)).data, image.data)).toBe(0);
  });

  it('CMYK is converted by (255 - ink) x (255 - black)', async () => {
    const grey = { data: new Uint8Array(16 * 16 * 3).fill(90), width: 16, height: 16 };
    const bytes = await raw(grey).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe('cmyk');
    const got = await decodeImage(bytes);
    expect([got.width, got.height, got.data.length]).toEqual([16, 16, 768]);
    const ink = await sharp(bytes, { ignoreIcc: true })
      .pipelineColourspace('cmyk')
      .toColourspace('cmyk')
      .raw()
      .toBuffer();
    const light = 255 - ink[3];
    expect([...got.data.subarray(0, 3)]).toEqual([0, 1, 2].map((c) => light - ((ink[c] * light) >> 8)));
  });

  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`EXIF orientation ${orientation} is applied, and known to readImageSize`, async () => {
      const bytes = await raw(image).withMetadata({ orientation }).png().toBuffer();
      const got = await decodeImage(bytes);
      const size = orientation >= 5 ? [17, 23] : [23, 17];
      expect([got.width, got.height]).toEqual(size);
      const info = await readImageSize(bytes);
      expect([info.width, info.height]).toEqual(size);
      // Where the upper left pixel of the stored image comes to lie.
      const [x, y] = [[], [0, 0], [22, 0], [22, 16], [0, 16], [0, 0], [16, 0], [16, 22], [0, 22]][orientation];
      const at = (y * got.width + x) * 3;
      expect([...got.data.subarray(at, at + 3)]).toEqual([...image.data.subarray(0, 3)]);
    });
  }

  it('an image of 1x1', async () => {
    const got = await decodeImage(await encodeImage(pattern(1, 1), 'jpg'));
    expect([got.width, got.height, got.data.length]).toEqual([1, 1, 3]);
  });

  it('broken files are named', async () => {
    const dir = tmpDir();
    const jpeg = await encodeImage(pattern(300, 300), 'jpg');
    const broken: [string, Uint8Array][] = [
      ['nothing.jpg', new Uint8Array(0)],
      ['text.png', Buffer.from('hello')],
      ['cut.jpg', jpeg.subarray(0, jpeg.length / 2)],
      ['head.bmp', Buffer.from(`BM${'\0'.repeat(60)}`)],
    ];
    for (const [name, bytes] of broken) {
      const path = join(dir, name);
      writeFileSync(path, bytes);
      await expect(decodeImage(path)).rejects.toMatchObject({ name: 'UserError', code: 'broken-image' });
      await expect(decodeImage(path)).rejects.toThrow(name);
    }
    await expect(decodeImage(join(dir, 'none.jpg'))).rejects.toMatchObject({ code: 'missing-file' });
    await expect(decodeImage(dir)).rejects.toMatchObject({ code: 'not-a-file' });
    await expect(decodeImage(jpeg, { maxPixels: 1000 })).rejects.toMatchObject({ code: 'image-too-large' });
    const partly = await decodeImage(jpeg.subarray(0, jpeg.length / 2), { acceptTruncated: true });
    expect(partly.data.length).toBe(300 * 300 * 3);
  });
});

describe('bitmaps', () => {
  /** A bitmap file: header, palette (BGR0), rows bottom up. */
  function bmp(
    bits: number,
    width: number,
    height: number,
    palette: number[],
    rows: number[],
    compression = 0,
  ): Buffer {
    const head = Buffer.alloc(54);
    head.write('BM');
    head.writeUInt32LE(54 + palette.length, 10);
    head.writeUInt32LE(40, 14);
    head.writeInt32LE(width, 18);
    head.writeInt32LE(height, 22);
    head.writeUInt16LE(1, 26);
    head.writeUInt16LE(bits, 28);
    head.writeUInt32LE(compression, 30);
    return Buffer.concat([head, Buffer.from(palette), Buffer.from(rows)]);
  }
  const twoColours = [1, 2, 3, 0, 10, 20, 30, 0];

  it('24 bits, bottom up and top down, rows padded to 4 bytes', async () => {
    const rows = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0];
    expect([...(await decodeImage(bmp(24, 2, 2, [], rows))).data]).toEqual([9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4]);
    expect([...(await decodeImage(bmp(24, 2, -2, [], rows))).data]).toEqual([3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]);
  });

  it('1, 4 and 8 bits with a palette', async () => {
    const want = [3, 2, 1, 30, 20, 10, 30, 20, 10];
    expect([...(await decodeImage(bmp(1, 3, 1, twoColours, [0b01100000, 0, 0, 0]))).data]).toEqual(want);
    expect([...(await decodeImage(bmp(4, 3, 1, twoColours, [0x01, 0x10, 0, 0]))).data]).toEqual(want);
    expect([...(await decodeImage(bmp(8, 3, 1, twoColours, [0, 1, 1, 0]))).data]).toEqual(want);
  });

  it('run lengths of 8 bits, with literal part and end of row', async () => {
    const rows = [2, 1, 1, 0, 0, 0, 0, 3, 0, 1, 1, 0, 0, 1];
    const got = await decodeImage(bmp(8, 3, 2, twoColours, rows, 1));
    expect([...got.data].filter((_, i) => i % 3 === 0)).toEqual([3, 30, 30, 30, 30, 3]);
  });

  it('16 bits (5-5-5) and 32 bits', async () => {
    expect([...(await decodeImage(bmp(16, 1, 1, [], [0x1f, 0x7c, 0, 0]))).data]).toEqual([255, 0, 255]);
    expect([...(await decodeImage(bmp(32, 1, 1, [], [7, 8, 9, 0]))).data]).toEqual([9, 8, 7]);
  });

  it('a file that ends too early is refused; its size is read from the header', async () => {
    const file = bmp(24, 9, 9, [], [1, 2, 3]);
    await expect(decodeImage(file)).rejects.toMatchObject({ code: 'broken-image' });
    expect(await readImageSize(file)).toMatchObject({ width: 9, height: 9, format: 'bmp' });
  });
});

describe('animations', () => {
  it('frames come one by one, in order, and decodeImage takes the first', async () => {
    const frames = [10, 100, 200].map((v) => ({ data: new Uint8Array(40 * 30 * 3).fill(v), width: 40, height: 30 }));
    const bytes = await encodeAnimation(frames, 5);
    expect(await readImageSize(bytes)).toMatchObject({ width: 40, height: 30, frames: 3, fps: 5 });
    const means: number[] = [];
    for await (const frame of decodeFrames(bytes)) {
      expect([frame.width, frame.height]).toEqual([40, 30]);
      means.push(Math.round(frame.data.reduce((a, b) => a + b, 0) / frame.data.length / 10) * 10);
    }
    expect(means).toEqual([10, 100, 200]);
    expect((await decodeImage(bytes)).height).toBe(30);
  });

  it('a still image has one frame', async () => {
    let n = 0;
    for await (const frame of decodeFrames(await encodeImage(pattern(9, 9), 'png'))) n += frame.width;
    expect(n).toBe(9);
  });
});

describe('compositeSvg', () => {
  it('draws over an image', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="10" height="10" fill="#f00"/></svg>';
    const got = await compositeSvg({ data: new Uint8Array(1200).fill(50), width: 20, height: 20 }, svg);
    expect([...got.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect([...got.data.subarray(-3)]).toEqual([50, 50, 50]);
  });
});
