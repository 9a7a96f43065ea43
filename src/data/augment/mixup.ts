/** MixUp (Zhang et al. 2018, arXiv 1710.09412): a weighted mean of two images; the labels of both are kept unweighted. */
import type { RgbImage } from '../../core/types.js';

/** Bits of the fixed-point weights. */
const BITS = 16;

/**
 * Computes image ← ⌊ratio·image + (1 − ratio)·other⌋ in place.
 * @param other of the same size
 * @param ratio 0..1, drawn from Beta(32, 32)
 */
export function mixup(image: RgbImage, other: RgbImage, ratio: number): void {
  const a = Math.round(ratio * (1 << BITS));
  const b = (1 << BITS) - a;
  const n = image.width * image.height * 3;
  for (let i = 0; i < n; i++) image.data[i] = (image.data[i] * a + other.data[i] * b) >> BITS;
}
