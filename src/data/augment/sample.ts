/**
 * Samples the augmentation of a training image before any image is decoded: a function of the settings, the random
 * stream and the partner images only, so that it is the same in every worker and tells the loader which images to decode.
 */
import type { AugmentSettings } from '../../cfg/schema.js';
import type { Rng } from '../../core/rng.js';
import type { AffineParams } from './affine.js';
import type { CutmixParams } from './cutmix.js';
import { type ImageAugmentationParams, sampleImageAugmentations } from './image-augmentations.js';

/** One image or a mosaic of four, and its affine transform. */
export interface Scene {
  /** Indices of images: one, or the four of a mosaic. */
  images: number[];
  /** Common corner of a mosaic's images, as a multiple of imgsz, 0.5 to 1.5. */
  centre: [x: number, y: number];
  affine: AffineParams;
}

/** The sampled augmentation of a training image. */
export interface Augmentation extends ImageAugmentationParams {
  scene: Scene;
  mixup?: { scene: Scene; ratio: number };
  cutmix?: { scene: Scene; params: CutmixParams };
}

/** Both parameters of MixUp's Beta distribution: most ratios are near 0.5. */
const MIXUP_BETA = 32;
const CUTMIX_CANDIDATES = 3;

/**
 * @param index of the image
 * @param partner samples the index of another image
 */
export function sampleAugmentation(
  settings: AugmentSettings,
  random: Rng,
  index: number,
  partner: () => number,
): Augmentation {
  const chance = (p: number): boolean => random.next() < p;
  const scene = (first: number): Scene => sampleScene(settings, random, first, partner);
  const augmentation: Augmentation = { scene: scene(index) };
  if (chance(settings.mixup))
    augmentation.mixup = { scene: scene(partner()), ratio: random.beta(MIXUP_BETA, MIXUP_BETA) };
  if (chance(settings.cutmix)) {
    const candidate = () => ({ area: 1 - random.beta(1, 1), x: random.next(), y: random.next() });
    const params = { candidates: Array.from({ length: CUTMIX_CANDIDATES }, candidate), choice: random.next() };
    augmentation.cutmix = { scene: scene(partner()), params };
  }
  return { ...augmentation, ...sampleImageAugmentations(settings, random) };
}

function sampleScene(settings: AugmentSettings, random: Rng, first: number, partner: () => number): Scene {
  const around = (range: number): number => random.uniform(-range, range);
  const images = [first];
  if (random.next() < settings.mosaic) images.push(partner(), partner(), partner());
  return {
    images,
    centre: [random.uniform(0.5, 1.5), random.uniform(0.5, 1.5)],
    affine: {
      angle: around(settings.degrees),
      scale: 1 + around(settings.scale),
      shearX: around(settings.shear),
      shearY: around(settings.shear),
      perspectiveX: around(settings.perspective),
      perspectiveY: around(settings.perspective),
      centreX: 0.5 + around(settings.translate),
      centreY: 0.5 + around(settings.translate),
    },
  };
}

/** @returns indices of all images that an augmentation needs, without duplicates */
export function imagesOf({ scene, mixup, cutmix }: Augmentation): number[] {
  return [...new Set([...scene.images, ...(mixup?.scene.images ?? []), ...(cutmix?.scene.images ?? [])])];
}
