/**
 * The augmentations of a finished training image, in the order in which they are drawn and applied. Each draws first whether
 * and how it changes an image, so that loaders know what to do before any pixel is there.
 */
import type { AugmentSettings } from '../../cfg/schema.js';
import type { Rng } from '../../core/rng.js';
import type { RgbImage } from '../../core/types.js';
import { boxBlur } from './blur.js';
import { clahe } from './clahe.js';
import { flipBoxesLeftRight, flipBoxesUpDown, flipLeftRight, flipUpDown, swapRedBlue } from './flip.js';
import { toGrey } from './grey.js';
import { type HsvGains, hsv } from './hsv.js';
import { medianBlur } from './median.js';

interface ImageAugmentation<T> {
  /** @returns what `apply` takes; undefined: the image stays as it is */
  sample(settings: AugmentSettings, random: Rng): T | undefined;
  /** In place. @param boxesPx [M, 5] class xyxy, pixels of the image */
  apply(image: RgbImage, value: T, boxesPx: Float64Array): void;
}

/** Probability of blur, median blur, grey and CLAHE, each (Ultralytics 8.4 with albumentations). */
const RARE = 0.01;
const KERNELS = [3, 5, 7];
const CLAHE_LIMIT = [1, 4] as const;

const IMAGE_AUGMENTATIONS = {
  /** Side of the kernel. */
  blur: define<number>({ sample: (_, random) => rareKernel(random), apply: boxBlur }),
  /** Side of the kernel. */
  median: define<number>({ sample: (_, random) => rareKernel(random), apply: medianBlur }),
  grey: define<true>({ sample: (_, random) => chance(random, RARE), apply: (image) => toGrey(image) }),
  /** Clip limit. */
  clahe: define<number>({
    sample: (_, random) => chance(random, RARE) && random.uniform(...CLAHE_LIMIT),
    apply: (image, limit) => clahe(image, limit),
  }),
  hsv: define<HsvGains>({
    sample({ hsv_h, hsv_s, hsv_v }, random) {
      const gains = [hsv_h, hsv_s, hsv_v].map((gain) => random.uniform(-1, 1) * gain) as HsvGains;
      return hsv_h || hsv_s || hsv_v ? gains : undefined;
    },
    apply: hsv,
  }),
  flipUpDown: define<true>({
    sample: ({ flipud }, random) => chance(random, flipud),
    apply(image, _, boxesPx) {
      flipUpDown(image);
      flipBoxesUpDown(boxesPx, image.height);
    },
  }),
  flipLeftRight: define<true>({
    sample: ({ fliplr }, random) => chance(random, fliplr),
    apply(image, _, boxesPx) {
      flipLeftRight(image);
      flipBoxesLeftRight(boxesPx, image.width);
    },
  }),
  swapRedBlue: define<true>({ sample: ({ bgr }, random) => chance(random, bgr), apply: (image) => swapRedBlue(image) }),
};

type Name = keyof typeof IMAGE_AUGMENTATIONS;
/** What is done to an image; absent: not done. */
export type ImageChanges = {
  [K in Name]?: (typeof IMAGE_AUGMENTATIONS)[K] extends ImageAugmentation<infer T> ? T : never;
};

const ALL = Object.entries(IMAGE_AUGMENTATIONS) as [Name, ImageAugmentation<unknown>][];

/** Draws all of them. */
export function sampleChanges(settings: AugmentSettings, random: Rng): ImageChanges {
  return Object.fromEntries(ALL.map(([name, { sample }]) => [name, sample(settings, random)]));
}

/** Applies those that were drawn, in place. @param boxesPx [M, 5] class xyxy, pixels of the image */
export function applyChanges(image: RgbImage, changes: ImageChanges, boxesPx: Float64Array): void {
  for (const [name, { apply }] of ALL) if (changes[name] !== undefined) apply(image, changes[name], boxesPx);
}

function define<T>(augmentation: ImageAugmentation<T>): ImageAugmentation<T> {
  return augmentation;
}

function chance(random: Rng, probability: number): true | undefined {
  return random.next() < probability || undefined;
}

function rareKernel(random: Rng): number | undefined {
  return chance(random, RARE) && KERNELS[random.int(KERNELS.length)];
}
