/** Attributes of TensorFlow's ops for the operations of a network, with PyTorch's padding. */
import type { Attrs, ElementType } from '../graph/graph.js';

/** Data format of feature maps. */
export const NHWC = 'NHWC';

/** Stride, and padding on both sides of height and width. */
export type ConvAttrs = { stride: number; pad: [number, number] };

/** Output size of a convolution along an axis: floor((n + 2p − k) / stride) + 1. */
export function outputSize(n: number, k: number, stride: number, p: number): number {
  return Math.floor((n + 2 * p - k) / stride) + 1;
}

/** Attributes of a convolution. @param kernel its shape [kh, kw, C, D] */
export function convAttrs([kh, kw]: number[], { stride, pad }: ConvAttrs): Attrs {
  const rest: Attrs = { strides: [1, stride, stride, 1], data_format: NHWC, dilations: [1, 1, 1, 1] };
  if (pad[0] === 0 && pad[1] === 0) return { ...rest, padding: 'VALID' };
  const centred = 2 * pad[0] === kh - 1 && 2 * pad[1] === kw - 1;
  if (stride === 1 && centred) return { ...rest, padding: 'SAME' };
  return { ...rest, padding: 'EXPLICIT', explicit_paddings: [0, 0, pad[0], pad[0], pad[1], pad[1], 0, 0] };
}

/** Convolution, bias and activation in one op, of which TensorFlow's oneDNN has a kernel with SiLU. Inputs: x, kernel, bias. */
export const FUSED_CONV = '_FusedConv2D';

/** Attributes of FUSED_CONV. @param conv those of the convolution @param silu whether SiLU is applied after the bias */
export function fusedAttrs(conv: Attrs, type: ElementType, silu: boolean): Attrs {
  return {
    explicit_paddings: [],
    ...conv,
    num_args: 1,
    num_host_args: 0,
    TArgs: { types: [type] },
    fused_ops: { texts: silu ? ['BiasAdd', '_MklSwish'] : ['BiasAdd'] },
    filter_format: 'HWIO',
    use_cudnn_on_gpu: true,
    epsilon: { float: 0 },
    leakyrelu_alpha: { float: 0 },
  };
}

/**
 * Convolution in float32 with optional bias and SiLU, of native/fused, and the gradients of its input and its kernel. With AVX-512
 * they take half the time of oneDNN's. Inputs: x, kernel and `N` biases; gradient, kernel; x, gradient.
 */
export const WINOGRAD_CONV = 'WinogradConv';
export const WINOGRAD_INPUT_GRAD = 'WinogradInputGrad';
export const WINOGRAD_FILTER_GRAD = 'WinogradFilterGrad';

/** Any convolution, but depthwise ones, in float32 with optional bias and SiLU, of native/fused. Inputs: x, kernel and `N` biases. */
export const PRODUCT_CONV = 'ProductConv';

/** Attributes of PRODUCT_CONV and ConvFilterGrad for the geometry. @param kernel its shape [kh, kw, …] */
export function windowAttrs(kernel: readonly number[], stride: number): Attrs {
  return { kernel: kernel.slice(0, 2), strides: [stride, stride] };
}

/** With fewer channels they are not faster. */
const WINOGRAD_CHANNELS = 32;

/** Whether these ops compute such a convolution with padding k // 2. */
export function isWinograd([kh, kw, channels, filters]: readonly number[], stride: number): boolean {
  return kh === 3 && kw === 3 && stride === 1 && Math.min(channels, filters) >= WINOGRAD_CHANNELS;
}

/** Attributes of maximum pooling over 5 x 5 with stride 1. */
export const POOL5 = { ksize: [1, 5, 5, 1], strides: [1, 1, 1, 1], padding: 'SAME', data_format: NHWC };
