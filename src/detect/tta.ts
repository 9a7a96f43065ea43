/**
 * Test-time augmentation (`augment=true`): the image at scales 1, 0.83 (mirrored) and 0.67; predictions of all three are
 * put side by side, for NMS to merge. The largest objects of the first and the smallest of the last are left out: each
 * scale is asked for what it sees best.
 */
import * as tf from '@tensorflow/tfjs-core';
import { decode } from '../nn/forward.js';
import type { HeadOutput } from '../nn/head.js';

const SCALES = [
  { scale: 1, mirrored: false },
  { scale: 0.83, mirrored: true },
  { scale: 0.67, mirrored: false },
] as const;
/** What a scaled image is padded with: the mean of ImageNet. */
const PADDING = 0.447;

/**
 * @param x [B, H, W, 3] 0..1
 * @param forward the network in inference mode
 * @param stride sides of images must be multiples of this
 * @returns [B, 4 + K, A'] in pixels of `x`
 */
export function mergedScales(x: tf.Tensor4D, forward: (x: tf.Tensor4D) => HeadOutput, stride: number): tf.Tensor3D {
  const width = x.shape[2];
  const parts = SCALES.map(({ scale, mirrored }, i) => {
    const input = scaled(mirrored ? (tf.reverse(x, 2) as tf.Tensor4D) : x, scale, stride);
    const head = forward(input);
    const anchors = head.levels.map(([h, w]) => h * w);
    const all = anchors.reduce((a, b) => a + b, 0);
    const from = i === SCALES.length - 1 ? anchors[0] : 0;
    const to = i === 0 ? all - anchors[anchors.length - 1] : all;
    const found = decode(head); // [B, 4 + K, A of this scale]
    const kept = tf.slice(found, [0, 0, from], [found.shape[0], found.shape[1], to - from]);
    return inOriginal(kept, scale, mirrored ? width : undefined);
  });
  return tf.concat(parts, 2) as tf.Tensor3D;
}

/** Smaller by bilinear interpolation without antialiasing, then padded at the right and below to multiples of the stride. */
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

/** @param predictions [B, 4 + K, N] @param mirrorWidth width of the original when the image was mirrored */
function inOriginal(predictions: tf.Tensor, scale: number, mirrorWidth?: number): tf.Tensor {
  const rows = predictions.shape[1]!;
  const [x, rest, scores] = tf.split(predictions, [1, 3, rows - 4], 1);
  const cx = tf.div(x, scale);
  return tf.concat([mirrorWidth === undefined ? cx : tf.sub(mirrorWidth, cx), tf.div(rest, scale), scores], 1);
}
