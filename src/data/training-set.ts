/** Gathers a dataset into what producers work from: numbers in shared memory, so that no thread has a copy of its own. */

import { AUGMENTATION_KEYS, type AugmentSettings } from '../cfg/schema.js';
import { LABEL } from '../core/boxes.js';
import { UserError } from '../core/errors.js';
import { type CacheMode, planCache } from './cache-plan.js';
import { shareImages } from './image-cache.js';
import type { TrainingSet } from './training-images.js';

export interface TrainLoaderOptions {
  /** Of a dataset: images with pixels (upright) and labels, rows of 5, class cx cy w h in 0..1. */
  images: { path: string; width: number; height: number; labels: Float32Array }[];
  /** Pixels; a multiple of 32. */
  imgsz: number;
  batch: number;
  augment: AugmentSettings;
  seed: number;
  /** Threads; 0: none, batches are made when they are asked for. */
  workers: number;
  cache?: CacheMode;
  /** Batches of like aspect, only as large as needed, without mosaic. */
  rect?: boolean;
  /** Each batch at a size out of imgsz·(1 ± this). */
  multiScale?: number;
}

/** @throws UserError when there is no image */
export function gatherTrainingSet(options: TrainLoaderOptions): TrainingSet {
  const { images, imgsz, batch, augment, seed, workers, rect = false, multiScale = 0, cache = false } = options;
  if (!images.length) throw new UserError('no-images', 'there is no image to train on');
  const sizes = new Int32Array(new SharedArrayBuffer(images.length * 8));
  const labelStart = new Int32Array(new SharedArrayBuffer((images.length + 1) * 4));
  images.forEach(({ width, height, labels }, i) => {
    sizes.set([width, height], 2 * i);
    labelStart[i + 1] = labelStart[i] + labels.length / LABEL;
  });
  const labels = new Float32Array(new SharedArrayBuffer(labelStart[images.length] * LABEL * 4));
  for (let i = 0; i < images.length; i++) labels.set(images[i].labels, labelStart[i] * LABEL);
  // Each scene takes up to four images; a worker holds those of the image at hand and of the next one.
  const scenes = 1 + (augment.mixup > 0 ? 1 : 0) + (augment.cutmix > 0 ? 1 : 0);
  const pinned = Math.max(1, workers) * 2 * 4 * scenes;
  const { slots, slotBytes, window, diskFolder } = planCache({ sizes, imgsz, batch, pinned, cache });
  return {
    paths: images.map(({ path }) => path),
    sizes,
    labels,
    labelStart,
    plan: { imgsz, batch, seed, rect, multiScale },
    augment: pickSettings(augment),
    window,
    cachedImages: shareImages(images.length, slots, slotBytes),
    diskFolder,
  };
}

/** Only the keys of the settings: the caller may hand over more than can be sent to a thread. */
function pickSettings(from: AugmentSettings): AugmentSettings {
  return Object.fromEntries(AUGMENTATION_KEYS.map((key) => [key, from[key]])) as unknown as AugmentSettings;
}
