/** Attributes of TensorFlow's ops as the network uses them, with PyTorch's padding. */
import type { Attrs } from '../graph/graph.js';

export const NHWC = 'NHWC';

export type ConvAttrs = { stride: number; pad: [number, number] };

/** Number of places a kernel of size k fits along n pixels with p more on both sides. */
export function reach(n: number, k: number, stride: number, p: number): number {
  return Math.floor((n + 2 * p - k) / stride) + 1;
}

/** @param shape of the kernel [kh, kw, C, D] */
export function convAttrs([kh, kw]: number[], { stride, pad }: ConvAttrs): Attrs {
  const rest: Attrs = { strides: [1, stride, stride, 1], data_format: NHWC, dilations: [1, 1, 1, 1] };
  if (pad[0] === 0 && pad[1] === 0) return { ...rest, padding: 'VALID' };
  const centred = 2 * pad[0] === kh - 1 && 2 * pad[1] === kw - 1;
  if (stride === 1 && centred) return { ...rest, padding: 'SAME' };
  return { ...rest, padding: 'EXPLICIT', explicit_paddings: [0, 0, pad[0], pad[0], pad[1], pad[1], 0, 0] };
}

/** Largest value within 5 x 5, stride 1. */
export const POOL5 = { ksize: [1, 5, 5, 1], strides: [1, 1, 1, 1], padding: 'SAME', data_format: NHWC };
