import { AUGMENTATION_KEYS, type AugmentSettings } from '../../src/cfg/schema.js';

/** Settings under which an image stays as it is, but for the rare filters. */
export const NO_AUGMENTATION = Object.fromEntries(
  AUGMENTATION_KEYS.map((key) => [key, 0]),
) as unknown as AugmentSettings;
