/**
 * The operations of networks. Modules are written once in terms of these operations; interpreters define the type of values
 * and the meaning of operations: tensors of TensorFlow.js (tensor-ops.ts), channels and strides (shape-ops.ts), nodes of a
 * TensorFlow graph (graph-ops.ts) or an ONNX graph (export/onnx-ops.ts).
 *
 * A value has a batch, cells and channels, in the layout of the interpreter: a feature map is [B, H, W, C] in TensorFlow and
 * [B, C, H, W] in ONNX, rows of cells are [B, A, C] and [B, C, A]. `name` is the name in a checkpoint of the PyTorch module
 * that computes an operation, e.g. `model.2.m.0.cv1`; names of its parameters begin with it.
 */
export interface Ops<V> {
  /** The following operations belong to the layer with this index. */
  begin(layer: number): void;

  // ---- feature maps

  /** Convolution without bias and with padding k // 2 on both sides, BatchNorm, SiLU unless `activation` is false. */
  conv(x: V, name: string, conv: Conv): V;
  /** The same; the second half of the channels is also returned as a separate value. */
  convAndHalf(x: V, name: string, conv: Conv): { whole: V; half: V };
  /** 1x1 convolution with bias, without BatchNorm and activation. */
  plainConv(x: V, name: string, conv: PlainConv): V;
  /** Maximum pooling over 5 x 5 with stride 1; padding counts as −infinity, because SiLU has negative values. */
  maxPool5(x: V, name: string): V;
  /** Nearest-neighbour upsampling by a factor of 2. */
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

  /** Concatenation along channels. */
  concat(xs: V[]): V;
  /** Splits into pieces with these numbers of channels. */
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

/** Settings of a convolution with BatchNorm. */
export interface Conv {
  /** Output channels. */
  to: number;
  /** Odd; default 1. */
  kernel?: number;
  /** Default 1. */
  stride?: number;
  /** Depthwise: one kernel per channel; `to` is the number of input channels. Default: false. */
  depthwise?: boolean;
  /** False: without SiLU. Default: true. */
  activation?: boolean;
}

/** Settings of a convolution with bias. */
export interface PlainConv {
  /** Output channels. */
  to: number;
  /** Initial value of the bias. */
  bias: number;
}

/** ε and momentum of BatchNorm in YOLOv8 (PyTorch's defaults: 1e-5, 0.1). */
export const BN_EPS = 1e-3;
export const BN_MOMENTUM = 0.03;
