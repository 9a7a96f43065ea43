/** Settings of a model's training that are defaults for its use. */
import { MAX_SIZE, MIN_SIZE } from '../cfg/readers.js';
import type { Checkpoint } from '../core/types.js';

/** Settings of the training. */
export interface Trained {
  /** Image size, pixels: n or [height, width]. */
  imgsz?: number | [height: number, width: number];
  /** The option `data`. */
  data?: string;
  /** All classes were treated as one. */
  singleCls?: boolean;
}

const isSize = (x: unknown): x is number =>
  Number.isInteger(x) && (x as number) >= MIN_SIZE && (x as number) <= MAX_SIZE;

/** @param args `train_args` of a checkpoint or metadata of an export; invalid values are ignored */
export function trainedWith(args: Checkpoint['trainArgs']): Trained {
  const { imgsz, data, single_cls } = args ?? {};
  const sizes = Array.isArray(imgsz) ? imgsz : [imgsz];
  const [h, w = h] = sizes.every(isSize) && sizes.length <= 2 ? sizes : [];
  return {
    ...(h !== undefined && { imgsz: h === w ? h : [h, w!] }),
    ...(typeof data === 'string' && data !== '' && { data }),
    ...(single_cls === true && { singleCls: true }),
  };
}
