/** From a batch of images to the detections of each, by whatever way of a detector copies least. */
import { detectionsOf } from './detections.js';
import type { Detector } from './detector.js';
import type { NmsOptions } from './nms.js';

/** Scores are compared in float32 in the detector and once more, exactly, in non-maximum suppression. */
const MARGIN = 1e-6;

/**
 * @param images [B, H, W, 3] RGB 0..255
 * @returns gives, for the k-th image, its detections [N, 6] x1 y1 x2 y2 (pixels of the network's input) confidence class, most
 *   certain first; non-maximum suppression runs when it is called
 */
export async function inferDetections(
  detector: Detector,
  images: Uint8Array,
  shape: [batch: number, height: number, width: number],
  nms: NmsOptions,
  options?: { signal?: AbortSignal },
): Promise<(k: number) => Float32Array> {
  if (detector.inferAbove) {
    const outputs = await detector.inferAbove(images, shape, nms.conf * (1 - MARGIN), options);
    return (k) => detectionsOf(outputs[k], 0, nms);
  }
  const output = await detector.infer(images, shape, options);
  return (k) => detectionsOf(output, k, nms, detector.endToEnd);
}
