import sharp from 'sharp';
import type { RgbImage } from '../../src/core/types.js';

/** Writes an animation of frames of one size; two that follow each other must differ, or they become one. */
export async function writeGif(path: string, frames: readonly RgbImage[]): Promise<void> {
  const { width, height } = frames[0];
  const raw = { width, height: height * frames.length, channels: 3 as const, pageHeight: height };
  const strip = Buffer.concat(frames.map(({ data }) => data));
  await sharp(strip, { raw })
    .gif({ delay: frames.map(() => 40) })
    .toFile(path);
}
