/**
 * The operations that networks are made of. A module says once, in terms of these, what it computes; an interpreter says
 * what a value is and what an operation does with it: tensors of TensorFlow.js (tensor-ops.ts), channels and strides
 * (shape-ops.ts), names of nodes in an ONNX graph (export/onnx-ops.ts).
 *
 * A value has a batch, cells and channels. How they lie is the interpreter's business: a feature map is [B, H, W, C] in
 * TensorFlow and [B, C, H, W] in ONNX, rows of cells are [B, A, C] and [B, C, A]. `name` is the name in a checkpoint of what
 * an operation stands for in PyTorch: `model.2.m.0.cv1`; its parameters have names that start with it.
 */
export interface Ops<V> {
  /** The operations from here on belong to the layer of this index. */
  begin(layer: number): void;

  // ---- feature maps

  /** Convolution without bias and with padding k // 2 on both sides, BatchNorm, SiLU unless `activation` is false. */
  conv(x: V, name: string, conv: Conv): V;
  /** The same; the second half of its channels comes once more as a value of its own, for what goes on from there. */
  convAndHalf(x: V, name: string, conv: Conv): { whole: V; half: V };
  /** 1x1 convolution with bias and nothing after it. */
  plainConv(x: V, name: string, conv: PlainConv): V;
  /** Largest value within 5 x 5, stride 1; what lies outside counts as −infinity (SiLU goes below 0). */
  maxPool5(x: V, name: string): V;
  /** Every cell twice along both sides. */
  upsample2x(x: V): V;
  /**
   * Scaled dot-product attention between the cells of an image (Vaswani et al. 2017, "Attention Is All You Need", eq. 1):
   * every cell gets the mean of `v` over all cells, weighted by the softmax of q · k · factor.
   * @param q queries @param k keys, as many channels @returns of the size of v
   */
  attend(q: V, k: V, v: V, factor: number): V;
  /** [B, A, C]: the cells of all maps as rows, row by row, one map after the other. */
  cells(maps: V[]): V;

  // ---- feature maps and rows of cells

  /** Channels one after the other. */
  concat(xs: V[]): V;
  /** The reverse: pieces of these numbers of channels. */
  split(x: V, channels: number[]): V[];
  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  mul(a: V, b: V): V;
  /** x · factor */
  scale(x: V, factor: number): V;
  sigmoid(x: V): V;

  // ---- rows of cells

  /**
   * Expected values of distributions over 0, 1, … `bins` − 1, given as logits.
   * @param x [B, A, sides · bins] @returns [B, A, sides]
   */
  expectation(x: V, name: string, sides: number, bins: number): V;
}

export interface Conv {
  /** Channels that come out. */
  to: number;
  /** Odd; default 1. */
  kernel?: number;
  /** Default 1. */
  stride?: number;
  /** Every channel has a kernel of its own and sees no other: `to` is the number of channels that come in. */
  depthwise?: boolean;
  /** False: without SiLU. */
  activation?: boolean;
}

export interface PlainConv {
  to: number;
  /** What its bias starts from. */
  bias: number;
}

/** BatchNorm's epsilon and the share of the batch in its running statistics, as YOLOv8 sets them (PyTorch: 1e-5, 0.1). */
export const BN_EPS = 1e-3;
export const BN_MOMENTUM = 0.03;
