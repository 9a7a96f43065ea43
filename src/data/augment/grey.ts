/** Conversion to grey with the weights of Rec. 601 as 15-bit integers (OpenCV); the image keeps three channels. */
import type { RgbImage } from '../../core/types.js';

const BITS = 15;
const RED = 9798;
const GREEN = 19235;
const BLUE = 3735;

/** Converts an image to grey, in place. */
export function toGrey({ data, width, height }: RgbImage): void {
  for (let i = 0; i < width * height * 3; i += 3) {
    const value = (data[i] * RED + data[i + 1] * GREEN + data[i + 2] * BLUE + (1 << (BITS - 1))) >> BITS;
    data[i] = value;
    data[i + 1] = value;
    data[i + 2] = value;
  }
}
