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
}

/** Position and shape of a batch. */
export interface BatchPlan {
  /** Position of its first image in the order. */
  start: number;
  count: number;
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
    batches.push({ start, count, width, height, outWidth, outHeight });
  }
  return { order, positionOf, batches };
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
