/** Size of the cache of decoded images, and of the window from which mosaic partners are drawn. */
import { mkdirSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { withLongSide } from '../core/boxes.js';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import { imageCacheDir } from './disk-cache.js';

/** Memory for decoded images without cache=ram. It bounds `window`, so that a change changes the sampled augmentations. */
const CACHE_BYTES = 256 * 2 ** 20;
/** Window in images: 8 batches, at most 1000 (Ultralytics 8.4, BaseDataset's buffer); at least 64. */
const WINDOW_BATCHES = 8;
const MAX_WINDOW = 1000;
const MIN_WINDOW = 64;
/** Minimum number of slots, however large the images are. */
const MIN_SLOTS = 32;
/** Fraction of the free memory or disk space that the cache may use. */
const FREE_FRACTION = 0.8;

/** Values of the option `cache`. */
export type CacheMode = false | 'ram' | 'disk';

/** Sizes of the cache. */
export interface CachePlan {
  /** Number of images that the cache holds. */
  slots: number;
  slotBytes: number;
  /** Positions of the epoch's order from which mosaic partners are drawn; depends on settings and data only. */
  window: number;
  /** Folder of cache=disk. */
  diskFolder?: string;
}

/** What the sizes of the cache depend on. */
export interface CacheRequest {
  /** [N, 2] width, height of the original images. */
  sizes: Int32Array;
  imgsz: number;
  batch: number;
  /** Maximum number of images that all workers together use at a time. */
  pinned: number;
  cache: CacheMode;
}

/** Computes the sizes of the cache; logs a warning and continues without cache=ram or cache=disk where space is too small. */
export function planCache({ sizes, imgsz, batch, pinned, cache }: CacheRequest): CachePlan {
  const n = sizes.length / 2;
  let [slotBytes, total] = [0, 0];
  for (let i = 0; i < n; i++) {
    const { width, height } = withLongSide({ width: sizes[2 * i], height: sizes[2 * i + 1] }, imgsz);
    slotBytes = Math.max(slotBytes, width * height * 3);
    total += width * height * 3;
  }
  const room = Math.max(MIN_SLOTS, Math.floor(CACHE_BYTES / slotBytes));
  const window = Math.min(n, room, MAX_WINDOW, Math.max(MIN_WINDOW, WINDOW_BATCHES * batch));
  const slots = cache === 'ram' && fitsMemory(n, total) ? n : Math.min(n, room + pinned);
  const diskFolder = cache === 'disk' && fitsDisk(n, total) ? imageCacheDir() : undefined;
  return { slots, slotBytes, window, diskFolder };
}

function fitsMemory(n: number, bytes: number): boolean {
  const free = process.availableMemory?.() ?? freemem();
  return fits('ram', 'memory', n, bytes, free * FREE_FRACTION);
}

function fitsDisk(n: number, bytes: number): boolean {
  try {
    mkdirSync(imageCacheDir(), { recursive: true });
    const { bavail, bsize } = statfsSync(imageCacheDir());
    return fits('disk', `disk space in ${imageCacheDir()}`, n, bytes, bavail * bsize * FREE_FRACTION);
  } catch (error) {
    log.warn(`cache=disk: ${imageCacheDir()} cannot be used (${messageOf(error)}); images are decoded in every epoch`);
    return false;
  }
}

function fits(mode: string, what: string, n: number, bytes: number, free: number): boolean {
  const size = (b: number): string => `${(b / 1e9).toFixed(b < 1e8 ? 3 : 1)} GB`;
  if (bytes <= free) {
    log.info(`cache=${mode}: ${n} images, ${size(bytes)} of ${what}`);
    return true;
  }
  log.warn(
    `cache=${mode}: ${n} images need ${size(bytes)} of ${what}, ${size(free)} is available; images are decoded in every epoch`,
  );
  return false;
}
