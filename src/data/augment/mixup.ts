/** MixUp (Zhang et al. 2018, arXiv 1710.09412): two images blended, the objects of both kept with full weight. */
import type { RgbImage } from '../../core/types.js';

/** Fractions of the blend have this many bits. */
const BITS = 16;

/**
 * `image` becomes ratio·image + (1 − ratio)·other, in place, rounded down.
 * @param other of the same size
 * @param ratio 0..1, drawn from Beta(32, 32)
 */
export function mixup(image: RgbImage, other: RgbImage, ratio: number): void {
  const a = Math.round(ratio * (1 << BITS));
  const b = (1 << BITS) - a;
  const n = image.width * image.height * 3;
  for (let i = 0; i < n; i++) image.data[i] = (image.data[i] * a + other.data[i] * b) >> BITS;
}
