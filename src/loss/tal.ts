/**
 * Task-aligned assignment (Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection"): which anchor points should
 * predict which label, and with what score. Not differentiated.
 *
 * The result is sparse: S = 10·M slots per image, the best anchor points of each label, instead of arrays over all anchor
 * points. An anchor point selected by several labels is in several slots, each with its share; all of them contain the label
 * that it is finally assigned to. Losses over positives thus process S rows instead of A, and all shapes are static.
 */
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../graph/raw.js';
import { loadedTensorflow } from '../graph/tensorflow.js';
import { isTracing } from '../graph/trace.js';
import { stopGradient } from '../nn/kernels.js';
import { ciou, sidesOf } from './ciou.js';

/** Maximum number of positive anchor points per label (Ultralytics 8.4: topk=10). */
const TOP_K = 10;
/** α of the alignment metric score^α · CIoU^β; β = 6 (Ultralytics 8.4: alpha=0.5, beta=6). */
const ALPHA = 0.5;
/** Pixels. Shorter sides are extended to it for the test which anchor points are inside of a label. */
const MIN_SIDE_PX = 16;
/** Pairs (label, anchor point) that are processed at a time: limits an intermediate result to about 64 MB. */
const PAIRS_AT_ONCE = 1 << 24;

/** Labels of a batch, padded to M per image. */
export type Labels = {
  /** [B, M, 4] xyxy, pixels of the network's input. */
  boxesPx: tf.Tensor;
  /** [B, M] int32. */
  classes: tf.Tensor;
  /** [B, M] 1 for a label, 0 for padding. */
  mask: tf.Tensor;
};

/** Predictions of the network, decoded. */
export interface Predictions {
  /** [B, A, 4] xyxy, pixels. */
  boxesPx: tf.Tensor;
  /** [B, A, K] logits. */
  scores: tf.Tensor;
  /** [A, 2] anchor points, pixels. */
  points: tf.Tensor;
}

/** Positive anchor points and their targets, by slot. */
export type Assignment = {
  /** [B, S] int32: index of the anchor point in its image. */
  anchors: tf.Tensor;
  /** [B, S] int32: index of the label that the anchor point is assigned to. */
  labels: tf.Tensor;
  /** [B, S] 1 / number of slots with this anchor point; 0 if the slot has no positive anchor point. */
  share: tf.Tensor;
  /** [B, S] target score for the label's class, 0..1. */
  score: tf.Tensor;
};

/**
 * Assigns anchor points to labels.
 * @param pairsAtOnce a batch with more pairs is processed in groups of images
 */
export function assign(predictions: Predictions, labels: Labels, pairsAtOnce = PAIRS_AT_ONCE): Assignment {
  const [b, m] = labels.mask.shape;
  const a = predictions.points.shape[0];
  const atOnce = Math.max(1, Math.min(b, Math.floor(pairsAtOnce / (m * a))));
  return stopGradient(() =>
    tf.tidy(() => {
      const parts: Assignment[] = [];
      for (let from = 0; from < b; from += atOnce) {
        const count = Math.min(atOnce, b - from);
        const part = (t: tf.Tensor) => (count === b ? t : tf.slice(t, [from], [count]));
        const { boxesPx, scores, points } = predictions;
        parts.push(
          assignPart(
            { boxesPx: part(boxesPx), scores: part(scores), points },
            { boxesPx: part(labels.boxesPx), classes: part(labels.classes), mask: part(labels.mask) },
          ),
        );
      }
      const joined = (key: keyof Assignment) =>
        parts.length === 1 ? parts[0][key] : tf.concat(parts.map((p) => p[key]));
      return { anchors: joined('anchors'), labels: joined('labels'), share: joined('share'), score: joined('score') };
    }),
  );
}

function assignPart(predictions: Predictions, labels: Labels): Assignment {
  const [b, m] = labels.mask.shape;
  const [, a, k] = predictions.scores.shape;
  const [overlap, metric] = alignedOverlaps(predictions, labels); // [B, M, A]
  const best = tf.topk(metric, Math.min(TOP_K, a)); // [B, M, 10]
  const s = m * Math.min(TOP_K, a);
  const anchors = tf.reshape(best.indices, [b, s]);
  const positive = tf.reshape(tf.cast(tf.greater(best.values, 0), 'float32'), [b, s]);
  const own = tf.tensor2d(
    Int32Array.from({ length: s }, (_, i) => Math.floor((i * m) / s)),
    [1, s],
    'int32',
  );
  const owner = tf.add(own, tf.zeros([b, s], 'int32')); // [B, S]

  // Number of labels that selected the anchor point of each slot.
  const flat = tf.reshape(tf.add(anchors, offsets(b, a)), [-1]); // [B·S] into [B·A]
  const claims = tf.unsortedSegmentSum(tf.reshape(positive, [-1]), flat as tf.Tensor1D, b * a);
  const claimed = tf.reshape(tf.gather(claims, flat), [b, s]);
  const share = tf.div(positive, tf.maximum(claimed, 1));

  // Conflicts are resolved by slot, or by anchor point if there are more slots than anchor points.
  const slots: Slots = { overlap, anchors, flat, owner, positive, claims, claimed, share };
  const { label, maxOfLabel } = s > a ? resolveByAnchor(slots) : resolveBySlot(slots);

  const labelRow = tf.reshape(tf.add(label, offsets(b, m)), [-1]); // [B·S] into [B·M]
  const pair = tf.add(tf.mul(labelRow, tf.scalar(a, 'int32')), tf.reshape(anchors, [-1])); // [B·S] into [B·M·A]
  const slotOverlap = tf.reshape(tf.gather(tf.reshape(overlap, [-1]), pair), [b, s]);
  const classOf = tf.gather(tf.reshape(labels.classes, [-1]), labelRow);
  const cell = tf.add(tf.mul(flat, tf.scalar(k, 'int32')), classOf); // [B·S] into [B·A·K]
  const logits = tf.reshape(tf.gather(tf.reshape(predictions.scores, [-1]), cell), [b, s]);
  const slotMetric = tf.mul(tf.mul(scorePower(logits), sixthPower(slotOverlap)), positive);

  // Normalized metric t̂ (TOOD, section 3.3): its maximum over the positives of a label is that label's maximum CIoU.
  const scale = tf.div(maxOfLabel(tf.mul(slotOverlap, positive)), tf.add(maxOfLabel(slotMetric), 1e-9)); // [B, M]
  const scaleOf = tf.reshape(tf.gather(tf.reshape(scale, [-1]), labelRow), [b, s]);
  return { anchors, labels: label, share, score: tf.mul(slotMetric, scaleOf) };
}

/** The selection of `assignPart`, before conflicts between labels are resolved. */
interface Slots {
  /** [B, M, A] */
  overlap: tf.Tensor;
  /** [B, S] int32: anchor point of the slot. */
  anchors: tf.Tensor;
  /** [B, S] int32: label that selected it. */
  owner: tf.Tensor;
  /** [B, S] 1 if the slot is positive, else 0. */
  positive: tf.Tensor;
  /** [B·S] int32: `anchors` as indices into [B·A]. */
  flat: tf.Tensor;
  /** [B·A] number of labels that selected an anchor point. */
  claims: tf.Tensor;
  /** [B, S] the same by slot. */
  claimed: tf.Tensor;
  /** [B, S] as in Assignment. */
  share: tf.Tensor;
}

/** An anchor point that several labels selected is assigned to the one with the highest CIoU of all that contain it. */
interface Resolved {
  /** [B, S] int32: label that the slot's anchor point is assigned to. */
  label: tf.Tensor;
  /**
   * @param x [B, S] values that are the same in all slots of an anchor point
   * @returns [B, M] maximum over the positive anchor points of each label; 0 if it has none
   */
  maxOfLabel: (x: tf.Tensor) => tf.Tensor;
}

function resolveBySlot({ overlap, anchors, owner, claimed }: Slots): Resolved {
  const m = overlap.shape[1]!;
  const columns = tf.gather(overlap, anchors, 2, 1); // [B, M, S]
  const label = tf.where(tf.greater(claimed, 1), tf.argMax(columns, 1), owner); // [B, S]
  const isLabel = tf.cast(tf.equal(tf.expandDims(label, 1), labelIndex(m)), 'float32'); // [B, M, S]
  return { label, maxOfLabel: (x) => tf.max(tf.mul(tf.expandDims(x, 1), isLabel), 2) };
}

/** The same without arrays of M x 10·M values, which would fill the memory with thousands of labels. */
function resolveByAnchor({ overlap, flat, owner, positive, claims, share }: Slots): Resolved {
  const [b, m, a] = overlap.shape as [number, number, number];
  const s = owner.shape[1]!;
  const toAnchors = (x: tf.Tensor) =>
    tf.reshape(tf.unsortedSegmentSum(tf.reshape(x, [-1]), flat as tf.Tensor1D, b * a), [b, a]);
  const claimant = tf.cast(toAnchors(tf.mul(tf.cast(owner, 'float32'), positive)), 'int32'); // if there is only one
  const contested = tf.greater(tf.reshape(claims, [b, a]), 1);
  const labelOf = tf.where(contested, tf.argMax(overlap, 1), claimant); // [B, A]
  const taken = tf.reshape(tf.gather(tf.reshape(labelOf, [-1]), flat), [b, s]);
  const isLabel = tf.equal(tf.expandDims(labelOf, 1), labelIndex(m)); // [B, M, A]
  return {
    label: tf.where(tf.greater(positive, 0), taken, owner),
    // The shares of the slots of an anchor point add up to 1.
    maxOfLabel: (x) => tf.max(tf.mul(tf.expandDims(toAnchors(tf.mul(x, share)), 1), tf.cast(isLabel, 'float32')), 2),
  };
}

/**
 * @returns [B, M, A] CIoU of each label with each predicted box, 0..1, 0 if the anchor point is outside of the label; and the
 *   alignment metric. One op of native/fused computes both, and nothing for the points outside, which are nearly all.
 */
function alignedOverlaps(predictions: Predictions, labels: Labels): tf.Tensor[] {
  const { boxesPx: predicted, scores: logits, points } = predictions;
  const { boxesPx: truth, classes, mask } = labels;
  if (isTracing() && loadedTensorflow()?.ops.length)
    return alignedOverlapsOp({ predicted, logits, points, truth, classes, mask }, {});
  const overlap = overlaps(predictions, labels);
  return [overlap, tf.mul(labelScores(logits, classes), sixthPower(overlap))];
}

const alignedOverlapsOp = defineOp<'predicted' | 'logits' | 'points' | 'truth' | 'classes' | 'mask', object>({
  name: 'AlignedOverlaps',
  inputs: ['predicted', 'logits', 'points', 'truth', 'classes', 'mask'],
  kernel(emit, { predicted, logits, points, truth, classes, mask }) {
    const shape = [truth.shape[0], truth.shape[1], points.shape[0]];
    const outputs = Array(2).fill({ shape, dtype: 'float32' });
    const T = { type: 'float32' } as const;
    const inputs = [predicted, logits, points, truth, emit.cast(classes, 'float32'), mask]; // integers have two types
    return emit.ops('AlignedOverlaps', inputs, { T }, outputs);
  },
});

/** @returns [B, M, A] CIoU of each label with each predicted box, at least 0; 0 if the anchor point is outside the label */
function overlaps({ boxesPx, points }: Predictions, labels: Labels): tf.Tensor {
  const byAnchor = tf.split(tf.transpose(boxesPx, [0, 2, 1]), 4, 1); // 4 of [B, 1, A]
  const [x1, y1, x2, y2] = byAnchor;
  const truth = sidesOf(labels.boxesPx); // [B, M, 1]
  const close = tf.relu(ciou({ x1, y1, x2, y2 }, truth, { differentiable: false }));
  return tf.mul(close, tf.cast(contains(points, truth, labels.mask), 'float32'));
}

/** @returns [B, M, A] bool: whether the anchor point is strictly inside of the (extended) label */
function contains(points: tf.Tensor, { x1, y1, x2, y2 }: ReturnType<typeof sidesOf>, mask: tf.Tensor): tf.Tensor {
  const [x, y] = tf.split(tf.transpose(points), 2, 0); // [1, A]
  const short = (from: tf.Tensor, to: tf.Tensor) => tf.mul(tf.relu(tf.sub(MIN_SIDE_PX, tf.sub(to, from))), 0.5);
  const growX = short(x1, x2);
  const growY = short(y1, y2);
  // Padding contains no point: its left side is beyond all points.
  const left = tf.add(tf.sub(x1, growX), tf.mul(tf.sub(1, tf.expandDims(mask, 2)), 1e9)); // [B, M, 1]
  const withinX = tf.logicalAnd(tf.greater(x, left), tf.less(x, tf.add(x2, growX)));
  const withinY = tf.logicalAnd(tf.greater(y, tf.sub(y1, growY)), tf.less(y, tf.add(y2, growY)));
  return tf.logicalAnd(withinX, withinY);
}

/** @returns [B, M, A] score^α of each anchor point for each label's class */
function labelScores(scores: tf.Tensor, classes: tf.Tensor): tf.Tensor {
  const [b, a, k] = scores.shape;
  const m = classes.shape[1]!;
  const rows = tf.reshape(tf.transpose(scores, [0, 2, 1]), [b * k, a]);
  const wanted = tf.reshape(tf.add(classes, offsets(b, k)), [-1]);
  const few = m < k; // the power is computed for the smaller number of rows: labels or classes
  return tf.reshape(few ? scorePower(tf.gather(rows, wanted)) : tf.gather(scorePower(rows), wanted), [b, m, a]);
}

function scorePower(logits: tf.Tensor): tf.Tensor {
  return ALPHA === 0.5 ? tf.sqrt(tf.sigmoid(logits)) : tf.pow(tf.sigmoid(logits), ALPHA);
}

/** x^β, β = 6 */
function sixthPower(x: tf.Tensor): tf.Tensor {
  const square = tf.square(x);
  return tf.mul(tf.mul(square, square), square);
}

/** @returns [B, 1] int32: index of each image's first element in a flattened array with `step` elements per image */
export function offsets(b: number, step: number): tf.Tensor {
  return tf.tensor2d(
    Int32Array.from({ length: b }, (_, i) => i * step),
    [b, 1],
    'int32',
  );
}

/** [1, M, 1] int32: 0..M−1 */
function labelIndex(m: number): tf.Tensor {
  return tf.tensor3d(
    Int32Array.from({ length: m }, (_, i) => i),
    [1, m, 1],
    'int32',
  );
}
