/**
 * Labels of a batch as tensors, padded to a number of slots that takes few values, because a graph is compiled per shape.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { LABEL } from '../core/boxes.js';
import type { HostTensor } from '../graph/host-tensor.js';

/** Labels of a batch, padded to M per image. */
export type LabelTensors = {
  /** [B, M, 4] xyxy, pixels of the network's input */
  boxesPx: tf.Tensor3D;
  /** [B, M] int32, 0 for padding */
  classes: tf.Tensor2D;
  /** [B, M] 1 for a label, 0 for padding */
  mask: tf.Tensor2D;
};

/** Smallest number of slots ≥ n in the sequence 4, 6, 8, 12, 16, 24 …, with which padding is less than half. */
export function labelSlots(n: number): number {
  let m = 4;
  while (m < n) m = Number.isInteger(Math.log2(m)) ? m * 1.5 : (m / 1.5) * 2;
  return m;
}

/** Values of LabelTensors in JavaScript's memory. */
export interface PaddedLabels {
  tensors: { boxesPx: HostTensor<'float32'>; classes: HostTensor<'int32'>; mask: HostTensor<'float32'> };
  slots: number;
}

/**
 * @param labels of each image: [M, 5] class x1 y1 x2 y2, pixels of the network's input
 * @param minSlots minimum number of slots
 */
export function paddedLabels(labels: readonly Float32Array[], minSlots: number): PaddedLabels {
  const b = labels.length;
  const max = labels.reduce((n, l) => Math.max(n, l.length / LABEL), 0);
  const m = Math.max(labelSlots(max), minSlots);
  const boxes = new Float32Array(b * m * 4);
  const classes = new Int32Array(b * m);
  const mask = new Float32Array(b * m);
  labels.forEach((rows, i) => {
    for (let j = 0, slot = i * m; j < rows.length; j += LABEL, slot++) {
      classes[slot] = rows[j];
      boxes.set(rows.subarray(j + 1, j + LABEL), slot * 4);
      mask[slot] = 1;
    }
  });
  return {
    tensors: {
      boxesPx: { dtype: 'float32', shape: [b, m, 4], data: boxes },
      classes: { dtype: 'int32', shape: [b, m], data: classes },
      mask: { dtype: 'float32', shape: [b, m], data: mask },
    },
    slots: m,
  };
}
