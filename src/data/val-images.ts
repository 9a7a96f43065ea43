/** Decodes images of a dataset at full size, in order and one ahead: for validation with tiles. */
import { mapAhead } from '../core/ahead.js';
import type { Range } from '../core/shard.js';
import type { RgbImage } from '../core/types.js';
import type { DatasetImage } from './dataset.js';
import { type Broken, whyBroken } from './val-slot.js';
import { decodeAgain, Vanished } from './vanished.js';

/** A decoded image of a dataset, or the reason why it cannot be used. */
export interface DecodedImage extends Broken {
  /** Index in the dataset. */
  index: number;
  /** Undefined when it is broken. */
  image?: RgbImage;
  /** Milliseconds that decoding took. */
  time: number;
}

/** Images in memory: one in use, the next being decoded. */
const AHEAD = 2;

/**
 * @param range of the images to decode
 * @yields one result for each image, in order
 * @throws UserError 'images-gone' when many images can no longer be read
 */
export function decodedImages(images: readonly DatasetImage[], range: Range): AsyncGenerator<DecodedImage> {
  const gone = new Vanished(images.length);
  return mapAhead(indices(range), AHEAD, async (index) => {
    const start = performance.now();
    const { path } = images[index];
    try {
      const image = await decodeAgain(path, { acceptTruncated: true });
      return { index, image, time: performance.now() - start };
    } catch (error) {
      const why = whyBroken(path, error);
      if (why.unreadable) gone.add(path, why.broken);
      return { index, ...why, time: performance.now() - start };
    }
  });
}

async function* indices({ from, to }: Range): AsyncGenerator<number> {
  for (let i = from; i < to; i++) yield i;
}
