/**
 * Prepares training images: samples the augmentation, decodes the source images and composes them. Runs in worker threads
 * or, with workers=0, in the main thread.
 */
import type { AugmentSettings } from '../cfg/schema.js';
import { LABEL, type Size, withLongSide } from '../core/boxes.js';
import { UserError } from '../core/errors.js';
import { rng } from '../core/rng.js';
import type { RgbImage } from '../core/types.js';
import { resizeInto } from '../image/resize.js';
import { compose } from './augment/compose.js';
import type { LabelledImage } from './augment/mosaic.js';
import { type Augmentation, imagesOf, sampleAugmentation } from './augment/sample.js';
import { diskName, readImage, writeImage } from './disk-cache.js';
import { type BatchPlan, type EpochPlan, type PlanSettings, partnerWindow, planEpoch } from './epoch-plan.js';
import { ImageCache, type Pin, type SharedImages } from './image-cache.js';
import { decodeAgain, isUnreadable, vanished } from './vanished.js';

/** A training set in a form that can be sent to workers; arrays are in shared memory. */
export interface TrainingSet {
  paths: string[];
  /** [N, 2] width, height of the original images. */
  sizes: Int32Array;
  /** Labels of all images, [sum of M, 5] class cx cy w h in 0..1. */
  labels: Float32Array;
  /** [N + 1] index of each image's first row in `labels`. */
  labelStart: Int32Array;
  plan: PlanSettings;
  augment: AugmentSettings;
  /** Number of positions of the epoch's order from which mosaic partners are sampled. */
  window: number;
  cachedImages: SharedImages;
  /** Folder of cache=disk. */
  diskFolder?: string;
}

/** An image in preparation: its augmentation is sampled and its source images are being decoded. */
export interface Started {
  batch: BatchPlan;
  augmentation: Augmentation;
  sources: Map<number, Promise<Pin>>;
}

/** Prepares the images of one epoch after the other, in one thread. */
export class TrainingImages {
  private readonly cache: ImageCache;
  private epoch = 0;
  private plan!: EpochPlan;
  private augment: AugmentSettings;

  constructor(private readonly set: TrainingSet) {
    this.cache = new ImageCache(set.cachedImages);
    this.augment = set.augment;
  }

  /** Must be called before `start`. @param mosaic false disables mosaic, mixup and cutmix, as in the last epochs */
  startEpoch(epoch: number, mosaic: boolean): EpochPlan {
    this.epoch = epoch;
    this.plan = planEpoch(this.set.plan, this.set.sizes, epoch);
    const strong = mosaic && !this.set.plan.rect;
    this.augment = strong ? this.set.augment : { ...this.set.augment, mosaic: 0, mixup: 0, cutmix: 0 };
    return this.plan;
  }

  /** Samples the augmentation of the image at a position and starts to decode its source images. */
  start(position: number): Started {
    const { order, positionOf, batches } = this.plan;
    const { plan, window } = this.set;
    const index = order[position];
    const random = rng(plan.seed, this.epoch, index);
    const [first, count] = partnerWindow(position, order.length, window);
    const augmentation = sampleAugmentation(this.augment, random, index, () => order[first + random.int(count)]);
    const sources = new Map<number, Promise<Pin>>();
    for (const i of imagesOf(augmentation)) {
      const pin = this.load(i, this.epoch * order.length + positionOf[i]);
      // Errors are handled when the pin is awaited; until then they must not count as unhandled rejections.
      pin.catch(() => {});
      sources.set(i, pin);
    }
    return { batch: batches[Math.floor(position / plan.batch)], augmentation, sources };
  }

  /**
   * Composes an image when its source images are decoded.
   * @param out its memory in the batch, [outHeight, outWidth, 3]
   * @returns labels, [M, 5] class xyxy, pixels of `out`
   * @throws UserError 'images-gone' or 'image-changed' when a source image cannot be used
   */
  async finish({ batch, augmentation, sources }: Started, out: Uint8Array): Promise<Float32Array> {
    const pins = new Map<number, Pin>();
    try {
      for (const [index, pin] of sources) pins.set(index, await pin);
      return this.compose(batch, augmentation, pins, out);
    } finally {
      await this.release(sources);
    }
  }

  /** Releases the source images of a started image. */
  async release(sources: Started['sources']): Promise<void> {
    const settled = await Promise.allSettled(sources.values());
    for (const result of settled) if (result.status === 'fulfilled') this.cache.unpin(result.value.slot);
  }

  private compose(batch: BatchPlan, augmentation: Augmentation, pins: Map<number, Pin>, out: Uint8Array): Float32Array {
    const { width, height, outWidth, outHeight } = batch;
    const direct = width === outWidth && height === outHeight;
    const image: RgbImage = { data: direct ? out : new Uint8Array(width * height * 3), width, height };
    const load = (index: number): LabelledImage => ({
      data: this.cache.bytes(pins.get(index)!.slot),
      ...this.loadedSize(index),
      labels: this.labels(index),
    });
    const labels = compose(augmentation, load, this.set.plan.imgsz, image);
    if (direct) return labels;
    resizeInto(image, outWidth, outHeight, { data: out, offset: 0, stride: outWidth * 3 });
    const scale = [1, outWidth / width, outHeight / height, outWidth / width, outHeight / height];
    return labels.map((value, i) => value * scale[i % LABEL]);
  }

  private labels(index: number): Float32Array {
    return this.set.labels.subarray(this.set.labelStart[index] * LABEL, this.set.labelStart[index + 1] * LABEL);
  }

  private loadedSize(index: number): Size {
    const [width, height] = this.set.sizes.subarray(2 * index, 2 * index + 2);
    return withLongSide({ width, height }, this.set.plan.imgsz);
  }

  /** Pins an image and decodes it unless it is in the cache. @param use as in ImageCache.pin */
  private async load(index: number, use: number): Promise<Pin> {
    const pin = this.cache.pin(index, use);
    if (!pin.mustLoad) {
      if (await this.cache.ready(pin.slot)) return pin;
      // Another worker failed to load it: this worker tries again to get the reason, too.
      this.cache.unpin(pin.slot);
      return this.load(index, use);
    }
    try {
      await this.fill(index, this.cache.bytes(pin.slot));
      this.cache.loaded(pin.slot, true);
      return pin;
    } catch (error) {
      this.cache.loaded(pin.slot, false);
      this.cache.unpin(pin.slot);
      throw error;
    }
  }

  private async fill(index: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.read(index, bytes);
    } catch (error) {
      throw isUnreadable(error) ? vanished(this.set.paths[index], error) : error;
    }
  }

  private async read(index: number, bytes: Uint8Array): Promise<void> {
    const path = this.set.paths[index];
    const { width, height } = this.loadedSize(index);
    const pixels = bytes.subarray(0, width * height * 3);
    const { diskFolder } = this.set;
    const file = diskFolder && diskName(diskFolder, path, width, height);
    if (file && readImage(file, pixels)) return;
    const image = await decodeAgain(path);
    const [w, h] = [this.set.sizes[2 * index], this.set.sizes[2 * index + 1]];
    if (image.width !== w || image.height !== h) {
      const message = `${path} is ${image.width}x${image.height} pixels, but was ${w}x${h} when the dataset was scanned`;
      throw new UserError('image-changed', message, 'start again: changed images are then scanned again', 1);
    }
    resizeInto(image, width, height, { data: pixels, offset: 0, stride: width * 3 });
    if (file) writeImage(file, pixels);
  }
}
