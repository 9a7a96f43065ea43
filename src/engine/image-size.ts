/** The size of the network's input: `imgsz`, rounded up to what the network can halve often enough. */
import { log } from '../core/log.js';

/** Says so when rounding changes what was asked for. @returns the smallest multiple of `stride` that is ≥ imgsz */
export function imageSize(imgsz: number, stride: number): number {
  const size = Math.ceil(imgsz / stride) * stride;
  if (size !== imgsz) log.warn(`imgsz=${imgsz} is no multiple of ${stride}; ${size} is used`);
  return size;
}
