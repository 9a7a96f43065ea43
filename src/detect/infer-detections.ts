/** Inference and post-processing of a batch of images, with the method of the detector that copies less. */
import { detectionsOf } from './detections.js';
import type { Detector } from './detector.js';
import type { NmsOptions } from './nms.js';

/** Relative margin: the detector compares scores in float32; non-maximum suppression compares them again in float64. */
const MARGIN = 1e-6;

/** Score below which a detector need not return a prediction. */
export function minScoreOf({ conf }: Pick<NmsOptions, 'conf'>): number {
  return conf * (1 - MARGIN);
}

/**
 * @param images [B, H, W, 3] RGB 0..255
 * @returns a function of the index k of an image, which runs non-maximum suppression and returns detections [N, 6]
 *   x1 y1 x2 y2 (pixels of the network's input) confidence class, by descending confidence
 */
export async function inferDetections(
  detector: Detector,
  images: Uint8Array,
  shape: [batch: number, height: number, width: number],
  nms: NmsOptions,
  options?: { signal?: AbortSignal },
): Promise<(k: number) => Float32Array> {
  if (detector.inferAbove) {
    const outputs = await detector.inferAbove(images, shape, minScoreOf(nms), options);
    return (k) => detectionsOf(outputs[k], 0, nms);
  }
  const output = await detector.infer(images, shape, options);
  return (k) => detectionsOf(output, k, nms, detector.endToEnd);
}
