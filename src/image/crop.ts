/** Cropping of images. */
import type { RgbImage } from '../core/types.js';

/** @param part within the image, pixels @returns a copy of the part; the image itself if the part is all of it */
export function cropImage(
  image: RgbImage,
  part: { left: number; top: number; width: number; height: number },
): RgbImage {
  const { left, top, width, height } = part;
  if (width === image.width && height === image.height) return image;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { data, width, height };
}
