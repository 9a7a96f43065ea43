/**
 * The loss of YOLOv8: CIoU loss and distribution focal loss over positive anchor points, binary cross-entropy over all anchor
 * points and classes against soft targets. All terms are divided by max(1, sum of the target scores), as in Ultralytics 8.4
 * (v8DetectionLoss), with which the published weights were trained; the article "YOLOv8: The Missing Paper" divides by the
 * number of positives. Pure: it runs eagerly and in traced graphs, and is differentiable.
 */
import * as tf from '@tensorflow/tfjs-core';
import { expectedDistances } from '../nn/distances.js';
import { type Anchors, anchorsOf, type HeadOutput, REG_MAX } from '../nn/head.js';
import { stopGradient } from '../nn/kernels.js';
import { boxLoss, type Sides } from './ciou.js';
import { bins, dfl } from './dfl.js';
import { type Assignment, assign, type Labels, offsets } from './tal.js';

export type { Labels } from './tal.js';

/** Actual type of the last argument of tf.customGrad's function, which tfjs declares as a tensor. */
type Save = (tensors: tf.Tensor[]) => void;

/** Weight of each term. */
export interface LossGains {
  box: number;
  cls: number;
  dfl: number;
}

/** Weights of terms and classes. */
export interface LossOptions {
  gains: LossGains;
  /** [K] weight of each class in the class loss (class-weights.ts); default: all 1. */
  classWeights?: ArrayLike<number>;
  /** The batch that this one is a part of. Default: it is whole. */
  whole?: WholeBatch;
}

/** A batch that several workers compute, each a part of it. */
export interface WholeBatch {
  /** Number of images in all parts. */
  images: number;
  /** Adds up a tensor over all parts. */
  sum<T extends tf.Tensor>(x: T): T;
}

/** Value of the loss; of a part: its summand. */
export interface Loss {
  /** [] B (of the whole batch) times the sum of `items`: the value to be differentiated. */
  total: tf.Scalar;
  /** [3] box, class and distribution focal loss, times their gains: for display. */
  items: tf.Tensor1D;
}

/** Positive anchor points as rows, N = B·S; rows of slots without a positive have weight 0. */
type Positives = {
  /** [N] int32 index into [B·A] */
  rows: tf.Tensor1D;
  /** [N] int32 class of the label */
  classes: tf.Tensor1D;
  /** [N] target score · share, over the sum of all target scores */
  weights: tf.Tensor1D;
  /** Anchor points and true boxes in grid units, [N, 1] each */
  x: tf.Tensor;
  y: tf.Tensor;
  truth: Sides;
};

/**
 * @param head outputs of the network in training mode
 * @param labels padded to M ≥ 1 per image; a batch without any label is allowed
 */
export function detectionLoss(head: HeadOutput, labels: Labels, { gains, classWeights, whole }: LossOptions): Loss {
  const [b, a] = head.boxes.shape;
  const anchors = anchorsOf(head.levels, head.strides);
  const { positives, total } = stopGradient(() => tf.tidy(() => targets(head, labels, anchors, whole)));
  const { box, dfl: dflLoss } = positiveLosses(tf.reshape(head.boxes, [b * a, 4 * REG_MAX]), positives);
  const cls = classLoss(head.scores, positives, total, classWeights);
  const items = tf.concat([
    tf.reshape(tf.mul(box, gains.box), [1]),
    tf.reshape(tf.mul(cls, gains.cls), [1]),
    tf.reshape(tf.mul(dflLoss, gains.dfl), [1]),
  ]) as tf.Tensor1D;
  return { total: tf.mul(tf.sum(items), whole?.images ?? b) as tf.Scalar, items };
}

function targets(head: HeadOutput, labels: Labels, anchors: Anchors, whole?: WholeBatch) {
  const { assignment, points, strides } = assignHead(head, labels, anchors);
  return asRows(assignment, labels, { points, strides, whole });
}

/** Assigns labels to the predictions of a head. @returns the assignment, anchor points [A, 2] in grid units, strides [A, 1] */
export function assignHead(head: HeadOutput, labels: Labels, anchors: Anchors = anchorsOf(head.levels, head.strides)) {
  const [b, a] = head.boxes.shape;
  const points = tf.tensor2d(anchors.points, [a, 2]);
  const strides = tf.tensor2d(anchors.strides, [a, 1]);
  const [leftTop, rightBottom] = tf.split(tf.reshape(expectedDistances(head.boxes), [b, a, 4]), 2, -1);
  const boxesPx = tf.mul(tf.concat([tf.sub(points, leftTop), tf.add(points, rightBottom)], -1), strides); // [B, A, 4]
  const assignment = assign({ boxesPx, scores: head.scores, points: tf.mul(points, strides) }, labels);
  return { assignment, points, strides };
}

/** Flattens the slots of an assignment over the batch. @returns the rows, and max(1, sum of all target scores) */
function asRows(
  { anchors, labels: label, share, score }: Assignment,
  labels: Labels,
  { points, strides, whole }: { points: tf.Tensor; strides: tf.Tensor; whole?: WholeBatch },
) {
  const [b, m] = labels.mask.shape;
  const a = points.shape[0];
  const rows = tf.reshape(tf.add(anchors, offsets(b, a)), [-1]) as tf.Tensor1D;
  const labelRows = tf.reshape(tf.add(label, offsets(b, m)), [-1]) as tf.Tensor1D;
  const inImage = tf.reshape(anchors, [-1]) as tf.Tensor1D;
  const [x, y] = tf.split(tf.gather(points, inImage), 2, 1);
  const boxesGrid = tf.div(tf.gather(tf.reshape(labels.boxesPx, [-1, 4]), labelRows), tf.gather(strides, inImage));
  const [x1, y1, x2, y2] = tf.split(boxesGrid, 4, 1);
  const scores = tf.reshape(tf.mul(share, score), [-1]);
  const sum = tf.sum(scores);
  const total = tf.maximum(whole ? whole.sum(sum) : sum, 1);
  const classes = tf.gather(tf.reshape(labels.classes, [-1]), labelRows) as tf.Tensor1D;
  const positives: Positives = { rows, classes, weights: tf.div(scores, total), x, y, truth: { x1, y1, x2, y2 } };
  return { positives, total };
}

/** @param boxes [B·A, 4R] logits @returns box loss and distribution focal loss [] over the positives, without gains */
function positiveLosses(
  boxes: tf.Tensor,
  { rows, weights, x, y, truth }: Positives,
): { box: tf.Tensor; dfl: tf.Tensor } {
  const n = rows.size;
  const logP = tf.logSoftmax(tf.reshape(gatherRows(boxes, rows), [-1, REG_MAX])); // [4N, R]
  const expected = tf.matMul(tf.exp(logP) as tf.Tensor2D, tf.reshape(bins(), [REG_MAX, 1]) as tf.Tensor2D); // [4N, 1]
  const [left, top, right, bottom] = tf.split(tf.reshape(expected, [n, 4]), 4, 1);
  const predicted = { x1: tf.sub(x, left), y1: tf.sub(y, top), x2: tf.add(x, right), y2: tf.add(y, bottom) };
  const overlapLoss = tf.reshape(boxLoss(predicted, truth), [n]);
  const distances = tf.concat([tf.sub(x, truth.x1), tf.sub(y, truth.y1), tf.sub(truth.x2, x), tf.sub(truth.y2, y)], 1);
  const dflLoss = dfl(tf.reshape(logP, [n, 4, REG_MAX]), distances); // [N]
  return { box: tf.sum(tf.mul(overlapLoss, weights)), dfl: tf.sum(tf.mul(dflLoss, weights)) };
}

/** tf.gather of rows whose gradient is one op (that of tfjs transposes all of x twice). */
function gatherRows(x: tf.Tensor, rows: tf.Tensor1D): tf.Tensor {
  const gather = tf.customGrad((t, save) => {
    (save as unknown as Save)([rows]);
    const source = t as tf.Tensor;
    return {
      value: tf.gather(source, rows),
      gradFunc: (dy: tf.Tensor, [index]: tf.Tensor[]) =>
        tf.unsortedSegmentSum(dy, index as tf.Tensor1D, source.shape[0]),
    };
  });
  return gather(x);
}

/**
 * Binary cross-entropy with logits x against soft targets t, over all anchors and classes: Σ w (softplus(x) − x·t) / total.
 * Since t is 0 except at positives, the second term is a sum over these. Gradient: w (sigmoid(x) − t) / total.
 */
function classLoss(
  scores: tf.Tensor3D,
  { rows, classes, weights }: Positives,
  total: tf.Tensor,
  classWeights?: ArrayLike<number>,
): tf.Tensor {
  const [b, a, k] = scores.shape;
  // Weight of a class divided by the total: [K], or [1] if all weights are equal.
  const w = stopGradient(() => tf.div(tf.tensor1d(Float32Array.from(classWeights ?? [1])), total));
  const cells = tf.add(tf.mul(rows, tf.scalar(k, 'int32')), classes); // [N] into [B·A·K]
  // `weights` of positives are already divided by the total.
  const t = classWeights ? tf.mul(weights, tf.gather(tf.mul(w, total), classes)) : weights; // [N]
  const loss = tf.customGrad((logits, save) => {
    const x = logits as tf.Tensor;
    (save as unknown as Save)([x, w, cells, t]);
    const everywhere = tf.sum(tf.mul(tf.sum(tf.softplus(x), [0, 1]), w));
    const atPositives = tf.sum(tf.mul(tf.gather(tf.reshape(x, [-1]), cells), t));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      const [x, w, cells, t] = saved;
      const dense = tf.unsortedSegmentSum(tf.mul(t, dy), cells as tf.Tensor1D, b * a * k);
      return tf.sub(tf.mul(tf.sigmoid(x), tf.mul(w, dy)), tf.reshape(dense, [b, a, k]));
    };
    return { value: tf.sub(everywhere, atPositives), gradFunc };
  });
  return loss(scores);
}
