/** Small images for pages. */
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { decodeImage, readImageSize } from './codec.js';
import { pixelLimit } from './pixel-limit.js';

/**
 * @param side longest side of the result, pixels; smaller images stay as they are
 * @returns a WebP file, upright
 * @throws when the file cannot be read as an image
 */
export async function thumbnail(path: string, side: number, quality = 55): Promise<Buffer> {
  const { format } = await readImageSize(path);
  // Large JPEGs are decoded at a fraction of their size, which decodeImage cannot do; BMP is what only decodeImage knows.
  const input = format === 'bmp' ? await fromDecoded(path) : sharp(path, options()).autoOrient();
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
