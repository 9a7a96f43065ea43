/** To grey by Rec. 601's weights, in OpenCV's 15-bit integers; stays an image of three channels. */
import type { RgbImage } from '../../core/types.js';

const BITS = 15;
const RED = 9798;
const GREEN = 19235;
const BLUE = 3735;

/** In place. */
export function toGrey({ data, width, height }: RgbImage): void {
  for (let i = 0; i < width * height * 3; i += 3) {
    const value = (data[i] * RED + data[i + 1] * GREEN + data[i + 2] * BLUE + (1 << (BITS - 1))) >> BITS;
    data[i] = value;
    data[i + 1] = value;
    data[i + 2] = value;
  }
}
