/** The image on which an export is compared with its original: one of the user's dataset, else a synthetic one. */
import { basename } from 'node:path';
import { letterboxTransform } from '../../core/boxes.js';
import type { Split } from '../../core/choices.js';
import { log } from '../../core/log.js';
import { rng } from '../../core/rng.js';
import type { RgbImage } from '../../core/types.js';
import { openDataset } from '../../data/dataset.js';
import { drawScene, KINDS } from '../../data/shapes-draw.js';
import type { VerificationImage } from '../../export/verify/verify.js';
import { decodeImage } from '../../image/codec.js';
import { letterboxInto } from '../../image/letterbox.js';

/**
 * @param data dataset YAML, or null
 * @returns its pixels [H, W, 3], letterboxed to the size that is given
 */
export async function verificationImage(
  data: string | null,
  split: Split,
  [height, width]: [number, number],
): Promise<VerificationImage> {
  const path = data ? (await openDataset(data, split)).images[0]?.path : undefined;
  const image = path ? await decodeImage(path) : drawn(Math.max(height, width));
  if (!path) log.debug('no dataset given: the export is compared with the original on a synthetic image');
  const buffer = new Uint8Array(height * width * 3);
  letterboxInto(image, letterboxTransform(image, [height, width]), buffer, 0);
  return { data: buffer, name: path ? basename(path) : 'a synthetic image' };
}

/** Many shapes on a busy ground: every layer has something to see. */
function drawn(size: number): RgbImage {
  return drawScene({ size, classes: Object.keys(KINDS).length, objects: 12, scale: 1, difficulty: 0.7 }, rng(1)).image;
}
