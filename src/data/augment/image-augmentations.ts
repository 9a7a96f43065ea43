/**
 * The augmentations after mosaic, affine, MixUp and CutMix, in the order in which they are sampled and applied. Each has a
 * `sample` step, which draws its parameters before any image is decoded, and an `apply` step.
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
  /** @returns the parameters for `apply`; undefined: not applied */
  sample(settings: AugmentSettings, random: Rng): T | undefined;
  /** Changes image and boxes in place. @param boxesPx [M, 5] class xyxy, pixels of the image */
  apply(image: RgbImage, value: T, boxesPx: Float64Array): void;
}

/** Probability of each of blur, median blur, grey and CLAHE (Ultralytics 8.4 with albumentations). */
const PROBABILITY = 0.01;
const KERNELS = [3, 5, 7];
const CLAHE_LIMIT = [1, 4] as const;

const IMAGE_AUGMENTATIONS = {
  /** Kernel size. */
  blur: define<number>({ sample: (_, random) => sampleKernel(random), apply: boxBlur }),
  /** Kernel size. */
  median: define<number>({ sample: (_, random) => sampleKernel(random), apply: medianBlur }),
  grey: define<true>({ sample: (_, random) => chance(random, PROBABILITY), apply: (image) => toGrey(image) }),
  /** Clip limit. */
  clahe: define<number>({
    sample: (_, random) => chance(random, PROBABILITY) && random.uniform(...CLAHE_LIMIT),
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
/** Sampled parameters by augmentation; undefined: not applied. */
export type ImageAugmentationParams = {
  [K in Name]?: (typeof IMAGE_AUGMENTATIONS)[K] extends ImageAugmentation<infer T> ? T : never;
};

const ALL = Object.entries(IMAGE_AUGMENTATIONS) as [Name, ImageAugmentation<unknown>][];

/** Samples the parameters of all augmentations. */
export function sampleImageAugmentations(settings: AugmentSettings, random: Rng): ImageAugmentationParams {
  return Object.fromEntries(ALL.map(([name, { sample }]) => [name, sample(settings, random)]));
}

/** Applies the sampled augmentations in place. @param boxesPx [M, 5] class xyxy, pixels of the image */
export function applyImageAugmentations(image: RgbImage, params: ImageAugmentationParams, boxesPx: Float64Array): void {
  for (const [name, { apply }] of ALL) if (params[name] !== undefined) apply(image, params[name], boxesPx);
}

function define<T>(augmentation: ImageAugmentation<T>): ImageAugmentation<T> {
  return augmentation;
}

function chance(random: Rng, probability: number): true | undefined {
  return random.next() < probability || undefined;
}

function sampleKernel(random: Rng): number | undefined {
  return chance(random, PROBABILITY) && KERNELS[random.int(KERNELS.length)];
}
