/**
 * Complete IoU (Zheng et al. 2020, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", eq. 10):
 * CIoU = IoU − ρ²/c² − α·v, with ρ the distance of the centres, c the diagonal of the smallest box around both,
 * v = 4/π² (arctan w₂/h₂ − arctan w₁/h₁)² and α = v / (1 − IoU + v), which is treated as a constant in the gradient.
 */
import * as tf from '@tensorflow/tfjs-core';
import { stopGradient } from '../nn/kernels.js';

/** Prevents division by 0; added to heights, union and c² as in Ultralytics 8.4 (bbox_iou). */
const EPS = 1e-7;

/** Boxes as one tensor per side, all of the same shape; two sets of boxes may broadcast. */
export type Sides = { x1: tf.Tensor; y1: tf.Tensor; x2: tf.Tensor; y2: tf.Tensor };

/** Quantities of single boxes, computed once instead of for each pair. */
interface Measured extends Sides {
  area: tf.Tensor;
  centreX: tf.Tensor;
  centreY: tf.Tensor;
  /** 2/π · arctan(w/h) */
  aspect: tf.Tensor;
}

/** How CIoU is computed. */
export interface CiouOptions {
  /** False: faster, without the equal division of gradients between equal sides. Default: true. */
  differentiable?: boolean;
}

/**
 * Box loss, 1 − CIoU.
 * @param predicted boxes in grid units, [N, 1] per side
 * @param truth boxes in grid units, [N, 1] per side
 * @returns [N, 1], 0 for equal boxes
 */
export function boxLoss(predicted: Sides, truth: Sides): tf.Tensor {
  return tf.sub(1, ciou(predicted, truth));
}

/**
 * @param a predicted boxes
 * @param b true boxes
 * @returns CIoU of each pair in (−1.5, 1], in the shape that a and b broadcast to
 */
export function ciou(a: Sides, b: Sides, { differentiable = true }: CiouOptions = {}): tf.Tensor {
  const p = measure(a);
  const q = measure(b);
  const min = differentiable ? minimum : tf.minimum;
  const max = differentiable ? maximum : tf.maximum;
  const overlapX = tf.relu(tf.sub(min(p.x2, q.x2), max(p.x1, q.x1)));
  const overlapY = tf.relu(tf.sub(min(p.y2, q.y2), max(p.y1, q.y1)));
  const intersection = tf.mul(overlapX, overlapY);
  const iou = tf.div(intersection, tf.sub(tf.add(p.area, tf.add(q.area, EPS)), intersection));
  const hullX = tf.sub(max(p.x2, q.x2), min(p.x1, q.x1));
  const hullY = tf.sub(max(p.y2, q.y2), min(p.y1, q.y1));
  const diagonal2 = tf.add(tf.add(tf.square(hullX), tf.square(hullY)), EPS);
  const distance2 = tf.add(tf.square(tf.sub(p.centreX, q.centreX)), tf.square(tf.sub(p.centreY, q.centreY)));
  const v = tf.square(tf.sub(q.aspect, p.aspect));
  const alpha = stopGradient(() => tf.tidy(() => tf.div(v, tf.sub(tf.add(v, 1 + EPS), iou))));
  return tf.sub(iou, tf.add(tf.div(distance2, diagonal2), tf.mul(v, alpha)));
}

function measure({ x1, y1, x2, y2 }: Sides): Measured {
  const width = tf.sub(x2, x1);
  // Without relu TensorFlow's graph optimizer rewrites it to y2 + (EPS − y1): EPS is rounded off, and a height of 0 gives 0/0.
  const height = tf.add(tf.relu(tf.sub(y2, y1)), EPS);
  return {
    x1,
    y1,
    x2,
    y2,
    area: tf.mul(width, height),
    centreX: tf.mul(tf.add(x1, x2), 0.5),
    centreY: tf.mul(tf.add(y1, y2), 0.5),
    aspect: tf.mul(tf.atan(tf.div(width, height)), 2 / Math.PI),
  };
}

// Equal arguments get half of the gradient each, as in PyTorch; that of tf.minimum and tf.maximum goes to the first.
function minimum(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.minimum(a, b), tf.minimum(b, a)), 0.5);
}
function maximum(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.maximum(a, b), tf.maximum(b, a)), 0.5);
}

/** @param boxes [..., 4] xyxy @returns [..., 1] per side */
export function sidesOf(boxes: tf.Tensor): Sides {
  const [x1, y1, x2, y2] = tf.split(boxes, 4, -1);
  return { x1, y1, x2, y2 };
}
