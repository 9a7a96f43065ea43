/** How much memory decoded images get, and from how far mosaic partners come. */
import { mkdirSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { withLongSide } from '../core/boxes.js';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import { imageCacheDir } from './disk-cache.js';

/** Memory for decoded images without cache=ram. Changing it changes `window`, and with it the random draws. */
const CACHE_BYTES = 256 * 2 ** 20;
/** The window in images, as the reference has it: 8 batches, 1000 at most; here no fewer than 64. */
const WINDOW_BATCHES = 8;
const MAX_WINDOW = 1000;
const MIN_WINDOW = 64;
/** A window must hold at least this many images, however large they are. */
const MIN_SLOTS = 32;
/** cache=ram may take this part of the memory that is free. */
const FREE_PART = 0.8;

export type CacheMode = false | 'ram' | 'disk';

export interface CachePlan {
  slots: number;
  slotBytes: number;
  /** Depends on the settings and the data alone, not on the machine or the number of workers. */
  window: number;
  diskFolder?: string;
}

export interface CacheRequest {
  /** [N, 2] width, height of the original images. */
  sizes: Int32Array;
  imgsz: number;
  batch: number;
  /** Images that all workers together hold at a time. */
  pinned: number;
  cache: CacheMode;
}

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
  return fits('ram', 'memory', n, bytes, free * FREE_PART);
}

function fitsDisk(n: number, bytes: number): boolean {
  try {
    mkdirSync(imageCacheDir(), { recursive: true });
    const { bavail, bsize } = statfsSync(imageCacheDir());
    return fits('disk', `disk space in ${imageCacheDir()}`, n, bytes, bavail * bsize * FREE_PART);
  } catch (error) {
    log.warn(
      `cache=disk: ${imageCacheDir()} can't be used (${messageOf(error)}); images are decoded anew in each epoch`,
    );
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
    `cache=${mode}: ${n} images need ${size(bytes)} of ${what}, ${size(free)} can be had; they are decoded anew in each epoch`,
  );
  return false;
}
