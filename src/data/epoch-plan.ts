/**
 * The order of the images in an epoch and the shape of each batch: a function of the settings, the seed and the epoch,
 * so that every worker computes the same plan and training can resume within an epoch.
 */
import { rng } from '../core/rng.js';

/** Settings that the plan depends on. */
export interface PlanSettings {
  /** Pixels; a multiple of 32. */
  imgsz: number;
  batch: number;
  seed: number;
  /** Rectangular batches: images of similar aspect ratio with little padding; no mosaic. */
  rect: boolean;
  /** Each batch is resized to a random multiple of 32 in imgsz·(1 ± multiScale); 0: not resized. */
  multiScale: number;
  /** Which images of each batch are prepared here. Default: all. */
  part?: Part;
}

/** One of several equal parts of a batch, each of which is prepared by another process. */
export interface Part {
  index: number;
  /** Number of parts; it divides the batch. */
  of: number;
}

/** Position and shape of a batch. */
export interface BatchPlan {
  /** Position in the order of the first image that is prepared here. */
  start: number;
  /** Number of images that are prepared here, at least 1. */
  count: number;
  /** Number of images of the batch in all processes. */
  whole: number;
  /** The last batch has no image for this part: it prepares one that belongs to another. */
  idle: boolean;
  /** Size of the augmented images, pixels. */
  width: number;
  height: number;
  /** Size after multi-scale resizing: that of the network's input, pixels. */
  outWidth: number;
  outHeight: number;
}

/** The plan of an epoch. */
export interface EpochPlan {
  /** Position → index of the image. */
  order: Int32Array;
  /** Index of the image → position. */
  positionOf: Int32Array;
  batches: BatchPlan[];
}

/** Keys of the random streams of an epoch besides those of the images, which are the images' indices. */
const ORDER = 2 ** 40;
const SCALES = 2 ** 41;
const STRIDE = 32;
const WHOLE: Part = { index: 0, of: 1 };

/** @param sizes [N, 2] width, height of the images, pixels @param epoch from 0 */
export function planEpoch(settings: PlanSettings, sizes: Int32Array, epoch: number): EpochPlan {
  const { seed, batch, rect } = settings;
  const n = sizes.length / 2;
  const random = rng(seed, epoch, ORDER);
  const order = rect
    ? groupByAspect(sizes, batch, random)
    : random.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  const positionOf = new Int32Array(n);
  order.forEach((index, position) => {
    positionOf[index] = position;
  });
  const batches: BatchPlan[] = [];
  for (let start = 0; start < n; start += batch) {
    const count = Math.min(batch, n - start);
    const shape = rect ? rectShape(order.subarray(start, start + count), sizes, settings.imgsz) : undefined;
    const [width, height] = shape ?? [settings.imgsz, settings.imgsz];
    const [outWidth, outHeight] = scaledShape(settings, epoch, batches.length, width, height);
    batches.push({ ...partOf(start, count, settings.part), whole: count, width, height, outWidth, outHeight });
  }
  return { order, positionOf, batches };
}

/** Images of one part of a batch. */
function partOf(
  start: number,
  count: number,
  { index, of }: Part = WHOLE,
): Pick<BatchPlan, 'start' | 'count' | 'idle'> {
  const [from, to] = [index, index + 1].map((part) => Math.floor((count * part) / of));
  return to > from ? { start: start + from, count: to - from, idle: false } : { start, count: 1, idle: true };
}

/** @returns number of images of a full batch that are prepared here */
export function partSize({ batch, part = WHOLE }: Pick<PlanSettings, 'batch' | 'part'>): number {
  return batch / part.of;
}

/**
 * The positions that are prepared here, one after the other.
 * @param turn from 0; those of batch b begin at b times `size`
 * @param size as of `partSize`
 * @returns undefined after the last one
 */
export function positionAt({ batches }: EpochPlan, turn: number, size: number): number | undefined {
  const batch = batches[Math.floor(turn / size)];
  const at = turn % size;
  return batch && at < batch.count ? batch.start + at : undefined; // only the last batch may be partial
}

/** @returns the maximum size of an image in a batch, bytes */
export function largestImage({ imgsz, multiScale }: PlanSettings): number {
  const side = Math.max(imgsz, Math.ceil((imgsz * (1 + multiScale)) / STRIDE) * STRIDE);
  return side * side * 3;
}

/** Images sorted by height / width and grouped into batches; full batches are shuffled, a partial one stays last. */
function groupByAspect(sizes: Int32Array, batch: number, random: ReturnType<typeof rng>): Int32Array {
  const aspect = (i: number): number => sizes[2 * i + 1] / sizes[2 * i];
  const sorted = Array.from({ length: sizes.length / 2 }, (_, i) => i).sort((a, b) => aspect(a) - aspect(b) || a - b);
  const whole = Math.floor(sorted.length / batch);
  const starts = random.shuffle(Array.from({ length: whole }, (_, i) => i * batch));
  if (whole * batch < sorted.length) starts.push(whole * batch);
  return Int32Array.from(starts.flatMap((start) => sorted.slice(start, start + batch)));
}

/** The smallest multiples of 32 that hold all images of a batch when their long sides are imgsz. */
function rectShape(indices: Int32Array, sizes: Int32Array, imgsz: number): [width: number, height: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, 0];
  for (const i of indices) {
    low = Math.min(low, sizes[2 * i + 1] / sizes[2 * i]);
    high = Math.max(high, sizes[2 * i + 1] / sizes[2 * i]);
  }
  const upTo = (part: number): number => Math.ceil((imgsz * part) / STRIDE) * STRIDE;
  return [low > 1 ? upTo(1 / low) : upTo(1), high < 1 ? upTo(high) : upTo(1)];
}

function scaledShape(settings: PlanSettings, epoch: number, batch: number, width: number, height: number) {
  const { imgsz, multiScale, seed } = settings;
  if (!multiScale) return [width, height];
  const low = Math.max(1, Math.ceil((imgsz * (1 - multiScale)) / STRIDE));
  const high = Math.max(low, Math.floor((imgsz * (1 + multiScale)) / STRIDE));
  const side = (low + rng(seed, epoch, SCALES, batch).int(high - low + 1)) * STRIDE;
  const factor = side / Math.max(width, height);
  return [width, height].map((v) => Math.ceil((v * factor) / STRIDE) * STRIDE);
}

/**
 * The positions in the epoch's order from which mosaic partners are sampled: the latest `window` positions, at the start
 * of the epoch the first ones. An image is then needed during a limited part of the epoch, which bounds the cache.
 * @param position of the image @param n number of images
 * @returns first position and number of positions
 */
export function partnerWindow(position: number, n: number, window: number): [start: number, count: number] {
  const count = Math.min(window, n);
  return [Math.max(0, Math.min(position - count + 1, n - count)), count];
}
