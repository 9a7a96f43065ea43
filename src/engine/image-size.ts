/** The size of the network's input: `imgsz`, rounded up to a multiple of the network's stride. */
import { log } from '../core/log.js';

type Size = number | readonly [height: number, width: number];

/** Logs a change. @returns height and width in pixels, the smallest multiples of `stride` that are ≥ imgsz */
export function inputShape(imgsz: Size, stride: number): [height: number, width: number] {
  const asked = typeof imgsz === 'number' ? ([imgsz, imgsz] as const) : imgsz;
  const [h, w] = asked.map((n) => Math.max(Math.ceil(n / stride), 1) * stride);
  if (h !== asked[0] || w !== asked[1])
    log.warn(`imgsz=${written(asked)} is not a multiple of ${stride}; using ${written([h, w])}`);
  return [h, w];
}

/** The same where images are square. @returns pixels of a side */
export function inputSide(imgsz: number, stride: number): number {
  return inputShape(imgsz, stride)[0];
}

function written([h, w]: readonly [number, number]): string {
  return h === w ? String(h) : `[${h},${w}]`;
}
