/**
 * What happens to a training image, drawn before any pixel is looked at: a function of the settings, the random stream
 * and the images that may be its partners. That makes it the same in every worker, and tells a loader what to decode.
 */
import type { AugmentSettings } from '../../cfg/schema.js';
import type { Rng } from '../../core/rng.js';
import type { AffineDraw } from './affine.js';
import type { CutmixDraw } from './cutmix.js';
import { type ImageChanges, sampleChanges } from './image-augmentations.js';

/** An image or four, and how they are warped. */
export interface Scene {
  /** Indices of images: one, or four of a mosaic. */
  images: number[];
  /** Where the four meet, in parts of imgsz, 0.5 to 1.5. */
  centre: [x: number, y: number];
  affine: AffineDraw;
}

/** What is done to a training image: how it is put together, then the changes of the result. */
export interface Augmentation extends ImageChanges {
  scene: Scene;
  mixup?: { scene: Scene; ratio: number };
  cutmix?: { scene: Scene; draw: CutmixDraw };
}

/** Both parameters of MixUp's Beta: blends stay near one half. */
const MIXUP_BETA = 32;
const CUTMIX_CANDIDATES = 3;

/**
 * @param index the image
 * @param partner draws the index of another image
 */
export function sampleAugmentation(
  settings: AugmentSettings,
  random: Rng,
  index: number,
  partner: () => number,
): Augmentation {
  const chance = (p: number): boolean => random.next() < p;
  const scene = (first: number): Scene => drawScene(settings, random, first, partner);
  const augmentation: Augmentation = { scene: scene(index) };
  if (chance(settings.mixup))
    augmentation.mixup = { scene: scene(partner()), ratio: random.beta(MIXUP_BETA, MIXUP_BETA) };
  if (chance(settings.cutmix)) {
    const area = () => ({ part: 1 - random.beta(1, 1), x: random.next(), y: random.next() });
    const draw = { areas: Array.from({ length: CUTMIX_CANDIDATES }, area), choice: random.next() };
    augmentation.cutmix = { scene: scene(partner()), draw };
  }
  return { ...augmentation, ...sampleChanges(settings, random) };
}

function drawScene(settings: AugmentSettings, random: Rng, first: number, partner: () => number): Scene {
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
      placeX: 0.5 + around(settings.translate),
      placeY: 0.5 + around(settings.translate),
    },
  };
}

/** Every image that an augmentation needs, each once. */
export function imagesOf({ scene, mixup, cutmix }: Augmentation): number[] {
  return [...new Set([...scene.images, ...(mixup?.scene.images ?? []), ...(cutmix?.scene.images ?? [])])];
}
