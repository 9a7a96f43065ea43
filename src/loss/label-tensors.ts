/**
 * Labels of a batch as tensors of a fixed shape: padded to a number of slots that takes few values, because every shape is a
 * graph of its own.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { LABEL } from '../core/boxes.js';
import type { HostTensor } from '../graph/host-tensor.js';

export type LabelTensors = {
  /** [B, M, 4] xyxy, pixels of the network's input */
  boxesPx: tf.Tensor3D;
  /** [B, M] int32, 0 where there is no label */
  classes: tf.Tensor2D;
  /** [B, M] 1 where there is a label */
  mask: tf.Tensor2D;
};

/** Smallest number of slots ≥ n: 4, 6, 8, 12, 16, 24 … (two steps an octave keep the padding under a half). */
export function labelSlots(n: number): number {
  let m = 4;
  while (m < n) m = Number.isInteger(Math.log2(m)) ? m * 1.5 : (m / 1.5) * 2;
  return m;
}

/** Labels of a batch in JavaScript's memory: as LabelTensors, in this order. */
export interface PaddedLabels {
  tensors: { boxesPx: HostTensor<'float32'>; classes: HostTensor<'int32'>; mask: HostTensor<'float32'> };
  slots: number;
}

/**
 * @param labels [M, 5] class x1 y1 x2 y2, pixels of the network's input, each image
 * @param atLeast slots that there are in any case
 */
export function paddedLabels(labels: readonly Float32Array[], atLeast: number): PaddedLabels {
  const b = labels.length;
  const most = labels.reduce((n, l) => Math.max(n, l.length / LABEL), 0);
  const m = Math.max(labelSlots(most), atLeast);
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
