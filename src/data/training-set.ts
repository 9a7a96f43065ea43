/** Converts a dataset to a TrainingSet, whose arrays are in shared memory, so that threads need no copies. */
import { AUGMENTATION_KEYS, type AugmentSettings } from '../cfg/schema.js';
import { LABEL } from '../core/boxes.js';
import { UserError } from '../core/errors.js';
import { type CacheMode, planCache } from './cache-plan.js';
import type { Part } from './epoch-plan.js';
import { shareImages } from './image-cache.js';
import type { TrainingSet } from './training-images.js';

/** Options of the training loader. */
export interface TrainLoaderOptions {
  /** Images of a dataset: size in pixels after EXIF rotation, labels [M, 5] class cx cy w h in 0..1. */
  images: { path: string; width: number; height: number; labels: Float32Array }[];
  /** Pixels; a multiple of 32. */
  imgsz: number;
  batch: number;
  augment: AugmentSettings;
  seed: number;
  /** Number of threads; 0: batches are prepared in the main thread when they are requested. */
  workers: number;
  /** Default: false. */
  cache?: CacheMode;
  /** As in PlanSettings. Default: false. */
  rect?: boolean;
  /** As in PlanSettings. Default: 0. */
  multiScale?: number;
  /** As in PlanSettings. Default: all of each batch. */
  part?: Part;
}

/** @throws UserError 'no-images' when there is no image */
export function gatherTrainingSet(options: TrainLoaderOptions): TrainingSet {
  const { images, imgsz, batch, augment, seed, workers, rect = false, multiScale = 0, cache = false, part } = options;
  if (!images.length) throw new UserError('no-images', 'there is no image to train on');
  const sizes = new Int32Array(new SharedArrayBuffer(images.length * 8));
  const labelStart = new Int32Array(new SharedArrayBuffer((images.length + 1) * 4));
  images.forEach(({ width, height, labels }, i) => {
    sizes.set([width, height], 2 * i);
    labelStart[i + 1] = labelStart[i] + labels.length / LABEL;
  });
  const labels = new Float32Array(new SharedArrayBuffer(labelStart[images.length] * LABEL * 4));
  for (let i = 0; i < images.length; i++) labels.set(images[i].labels, labelStart[i] * LABEL);
  // A scene has up to four images; a worker pins those of the current and of the next training image.
  const scenes = 1 + (augment.mixup > 0 ? 1 : 0) + (augment.cutmix > 0 ? 1 : 0);
  const pinned = Math.max(1, workers) * 2 * 4 * scenes;
  const { slots, slotBytes, window, diskFolder } = planCache({ sizes, imgsz, batch, pinned, cache });
  return {
    paths: images.map(({ path }) => path),
    sizes,
    labels,
    labelStart,
    plan: { imgsz, batch, seed, rect, multiScale, part },
    augment: pickSettings(augment),
    window,
    cachedImages: shareImages(images.length, slots, slotBytes),
    diskFolder,
  };
}

/** The augmentation settings only: the caller's object may have values that cannot be sent to a thread. */
function pickSettings(from: AugmentSettings): AugmentSettings {
  return Object.fromEntries(AUGMENTATION_KEYS.map((key) => [key, from[key]])) as unknown as AugmentSettings;
}
