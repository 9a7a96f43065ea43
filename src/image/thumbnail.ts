/** Thumbnails for HTML reports. */
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { forLibrary } from '../core/written-path.js';
import { decodeImage, readImageSize } from './codec.js';
import { pixelLimit } from './pixel-limit.js';

/**
 * @param side longer side of the result, pixels; smaller images are not enlarged
 * @param quality of WebP, 1..100
 * @returns contents of a WebP file, with EXIF orientation applied
 * @throws UserError as decodeImage, or sharp's error if the file cannot be decoded
 */
export async function thumbnail(path: string, side: number, quality = 55): Promise<Buffer> {
  const { format } = await readImageSize(path);
  // sharp decodes large JPEGs at reduced size, which decodeImage does not; only decodeImage supports BMP.
  const input = format === 'bmp' ? await fromDecoded(path) : sharp(forLibrary(path), options()).autoOrient();
  const small = input.resize(side, side, { fit: 'inside', withoutEnlargement: true });
  return small.removeAlpha().webp({ quality, effort: 1 }).toBuffer();
}

function options(): SharpOptions {
  return { failOn: 'none', limitInputPixels: Math.floor(pixelLimit()) };
}

async function fromDecoded(path: string): Promise<Sharp> {
  const { data, width, height } = await decodeImage(path);
  return sharp(data, { raw: { width, height, channels: 3 } });
}
