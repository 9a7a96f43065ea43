/**
 * Test-time augmentation (`augment=true`), as in Ultralytics 8.4 (DetectionModel._predict_augment): the image at scales 1,
 * 0.83 (flipped) and 0.67. The predictions of all three are concatenated; non-maximum suppression merges them. The level of
 * the largest stride at the first scale and of the smallest stride at the last scale are omitted.
 */
import * as tf from '@tensorflow/tfjs-core';
import { decode } from '../nn/forward.js';
import type { HeadOutput } from '../nn/head.js';

const SCALES = [
  { scale: 1, flipped: false },
  { scale: 0.83, flipped: true },
  { scale: 0.67, flipped: false },
] as const;
/** Padding value of scaled images: the mean of ImageNet. */
const PADDING = 0.447;

/**
 * @param x [B, H, W, 3] 0..1
 * @param forward the network in inference mode
 * @param stride height and width of the network's input must be multiples of it
 * @returns [B, 4 + K, A'] predictions of all scales: cx cy w h in pixels of `x`, then K scores 0..1
 */
export function predictAugmented(x: tf.Tensor4D, forward: (x: tf.Tensor4D) => HeadOutput, stride: number): tf.Tensor3D {
  const width = x.shape[2];
  const parts = SCALES.map(({ scale, flipped }, i) => {
    const input = scaled(flipped ? (tf.reverse(x, 2) as tf.Tensor4D) : x, scale, stride);
    const head = forward(input);
    const anchors = head.levels.map(([h, w]) => h * w);
    const all = anchors.reduce((a, b) => a + b, 0);
    const from = i === SCALES.length - 1 ? anchors[0] : 0;
    const to = i === 0 ? all - anchors[anchors.length - 1] : all;
    const found = decode(head); // [B, 4 + K, A of this scale]
    const kept = tf.slice(found, [0, 0, from], [found.shape[0], found.shape[1], to - from]);
    return inOriginal(kept, scale, flipped ? width : undefined);
  });
  return tf.concat(parts, 2) as tf.Tensor3D;
}

/** Resizes by bilinear interpolation without antialiasing, then pads right and bottom to multiples of the stride. */
function scaled(x: tf.Tensor4D, scale: number, stride: number): tf.Tensor4D {
  if (scale === 1) return x;
  const [, height, width] = x.shape;
  const [h, w] = [Math.floor(height * scale), Math.floor(width * scale)];
  const small = tf.image.resizeBilinear(x, [h, w], false, true);
  const missing = (side: number, size: number) => Math.ceil((side * scale) / stride) * stride - size;
  return tf.pad(
    small,
    [
      [0, 0],
      [0, missing(height, h)],
      [0, missing(width, w)],
      [0, 0],
    ],
    PADDING,
  ) as tf.Tensor4D;
}

/** Converts predictions [B, 4 + K, N] to pixels of the original. @param flipWidth width of the original if it was flipped */
function inOriginal(predictions: tf.Tensor, scale: number, flipWidth?: number): tf.Tensor {
  const rows = predictions.shape[1]!;
  const [x, rest, scores] = tf.split(predictions, [1, 3, rows - 4], 1);
  const cx = tf.div(x, scale);
  return tf.concat([flipWidth === undefined ? cx : tf.sub(flipWidth, cx), tf.div(rest, scale), scores], 1);
}
