/** What a model file says about how it was made, as far as that is a good default for using it. */
import { MAX_SIZE, MIN_SIZE } from '../cfg/readers.js';
import type { Checkpoint } from '../core/types.js';

export interface Trained {
  /** Size of the images, n or [height, width]. */
  imgsz?: number | [height: number, width: number];
  /** The dataset, as its run was told. */
  data?: string;
  /** All classes were one. */
  singleCls?: boolean;
}

const isSize = (x: unknown): x is number =>
  Number.isInteger(x) && (x as number) >= MIN_SIZE && (x as number) <= MAX_SIZE;

/** From `train_args` of a checkpoint or the metadata of an export; what makes no sense there is as if it were not there. */
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
