/** The keys of non-maximum suppression under the names that detect/nms.ts has for them. */
import type { Config } from './schema.js';

/** @returns settings for `nonMaxSuppression`, but for the classes that are kept */
export function nmsOptions({ conf, iou, max_det, agnostic_nms }: NmsConfig) {
  return { conf, iou, maxDet: max_det, agnostic: agnostic_nms };
}

type NmsConfig = Pick<Config, 'conf' | 'iou' | 'max_det' | 'agnostic_nms'>;
