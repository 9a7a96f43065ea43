/**
 * Labels of a batch as tensors of a fixed shape: padded to a number of slots that takes few values, because every shape is a
 * graph of its own.
 */
import * as tf from '@tensorflow/tfjs-core';

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

/**
 * @param labels rows class cx cy w h in 0..1, one array a picture
 * @param size height and width of the network's input, pixels
 * @param atLeast slots that there are in any case
 */
export function padLabels(
  labels: Float32Array[],
  [height, width]: [number, number],
  atLeast: number,
): { tensors: LabelTensors; slots: number } {
  const b = labels.length;
  const most = labels.reduce((n, l) => Math.max(n, l.length / 5), 0);
  const m = Math.max(labelSlots(most), atLeast);
  const boxes = new Float32Array(b * m * 4);
  const classes = new Int32Array(b * m);
  const mask = new Float32Array(b * m);
  labels.forEach((rows, i) => {
    for (let j = 0; j * 5 < rows.length; j++) {
      const [c, cx, cy, w, h] = rows.subarray(j * 5, j * 5 + 5);
      const slot = i * m + j;
      boxes.set([(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height], slot * 4);
      classes[slot] = c;
      mask[slot] = 1;
    }
  });
  const tensors = {
    boxesPx: tf.tensor3d(boxes, [b, m, 4]),
    classes: tf.tensor2d(classes, [b, m], 'int32'),
    mask: tf.tensor2d(mask, [b, m]),
  };
  return { tensors, slots: m };
}
