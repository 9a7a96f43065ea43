/**
 * What happens to a training image, drawn before any pixel is looked at: a function of the settings, the random stream
 * and the images that may be its partners. That makes it the same in every worker, and tells a loader what to decode.
 */
import type { Rng } from '../../core/rng.js';
import type { AffineDraw } from './affine.js';
import type { CutmixDraw } from './cutmix.js';
import type { HsvGains } from './hsv.js';

/** Keys and meaning as in the options of `yolo train`; p is a probability. */
export interface AugmentSettings {
  /** p of four images in one. */
  mosaic: number;
  mixup: number;
  cutmix: number;
  /** Rotation, ± degrees. */
  degrees: number;
  /** ± part of the side. */
  translate: number;
  /** Scale 1 ± this. */
  scale: number;
  /** ± degrees. */
  shear: number;
  /** ± this, a fraction per pixel. */
  perspective: number;
  hsv_h: number;
  hsv_s: number;
  hsv_v: number;
  flipud: number;
  fliplr: number;
  bgr: number;
}

/** An image or four, and how they are warped. */
export interface Scene {
  /** Indices of images: one, or four of a mosaic. */
  images: number[];
  /** Where the four meet, in parts of imgsz, 0.5 to 1.5. */
  centre: [x: number, y: number];
  affine: AffineDraw;
}

export interface Augmentation {
  scene: Scene;
  mixup?: { scene: Scene; ratio: number };
  cutmix?: { scene: Scene; draw: CutmixDraw };
  /** Kernel, odd. */
  blur?: number;
  median?: number;
  grey: boolean;
  /** Clip limit. */
  clahe?: number;
  hsv?: HsvGains;
  flipUpDown: boolean;
  flipLeftRight: boolean;
  swapRedBlue: boolean;
}

/** p of blur, median blur, grey and CLAHE, each (the reference's fixed choice). */
const RARE = 0.01;
const KERNELS = [3, 5, 7];
const CLAHE_LIMIT = [1, 4] as const;
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
  const augmentation: Augmentation = {
    scene: scene(index),
    grey: false,
    flipUpDown: false,
    flipLeftRight: false,
    swapRedBlue: false,
  };
  if (chance(settings.mixup))
    augmentation.mixup = { scene: scene(partner()), ratio: random.beta(MIXUP_BETA, MIXUP_BETA) };
  if (chance(settings.cutmix)) {
    const area = () => ({ part: 1 - random.beta(1, 1), x: random.next(), y: random.next() });
    const draw = { areas: Array.from({ length: CUTMIX_CANDIDATES }, area), choice: random.next() };
    augmentation.cutmix = { scene: scene(partner()), draw };
  }
  if (chance(RARE)) augmentation.blur = KERNELS[random.int(KERNELS.length)];
  if (chance(RARE)) augmentation.median = KERNELS[random.int(KERNELS.length)];
  augmentation.grey = chance(RARE);
  if (chance(RARE)) augmentation.clahe = random.uniform(...CLAHE_LIMIT);
  const { hsv_h, hsv_s, hsv_v } = settings;
  const gains: HsvGains = [hsv_h, hsv_s, hsv_v].map((g) => random.uniform(-1, 1) * g) as HsvGains;
  if (hsv_h || hsv_s || hsv_v) augmentation.hsv = gains;
  augmentation.flipUpDown = chance(settings.flipud);
  augmentation.flipLeftRight = chance(settings.fliplr);
  augmentation.swapRedBlue = chance(settings.bgr);
  return augmentation;
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

/** Every image a augmentation needs, each once. */
export function imagesOf({ scene, mixup, cutmix }: Augmentation): number[] {
  return [...new Set([...scene.images, ...(mixup?.scene.images ?? []), ...(cutmix?.scene.images ?? [])])];
}
