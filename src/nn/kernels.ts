/**
 * Operations of networks as PyTorch defines them, in tfjs' layout (images NHWC, kernels HWIO). On the native engine and in
 * traced graphs each is one or two TensorFlow ops with a custom gradient; elsewhere it is composed of tfjs ops. The ops of
 * tfjs are not used directly because padding 'same' of a stride-2 convolution pads only at the end, and its composed batch
 * normalization takes five times as long.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Attrs, ElementType } from '../graph/graph.js';
import { defineOp, type Emitter } from '../graph/raw.js';
import { loadedTensorflow } from '../graph/tensorflow.js';
import {
  type ConvAttrs as ConvGeometry,
  convAttrs,
  isWinograd,
  NHWC,
  outputSize,
  POOL5,
  WINOGRAD_CONV,
  WINOGRAD_FILTER_GRAD,
  WINOGRAD_INPUT_GRAD,
  windowAttrs,
} from './op-attrs.js';

// ---- convolution

/** `precise`: the value in float32 even if feature maps are bfloat16. */
type ConvAttrs = ConvGeometry & { precise?: boolean };

/**
 * Convolution with PyTorch's padding: k // 2 on both sides ("autopad").
 * @param x [B, H, W, C]
 * @param w [kh, kw, C, D]
 * @returns [B, H', W', D], H' = floor((H + 2p − kh) / stride) + 1
 */
export function conv2d(
  x: tf.Tensor,
  w: tf.Tensor,
  stride = 1,
  pad = w.shape[0] >> 1,
  { precise = false }: { precise?: boolean } = {},
): tf.Tensor4D {
  const padW = pad === w.shape[0] >> 1 ? w.shape[1]! >> 1 : pad;
  return conv2dOp({ x, w }, { stride, pad: [pad, padW], precise })[0] as tf.Tensor4D;
}

/** Element type of a convolution, or of its gradients. */
const convType = (emit: Emitter, precise = false): ElementType => (emit.half && !precise ? 'bfloat16' : 'float32');

const conv2dOp = defineOp<'x' | 'w', ConvAttrs>({
  name: 'TorchConv2D',
  inputs: ['x', 'w'],
  half: true,
  kernel(emit, { x, w }, attrs) {
    const type = convType(emit, attrs.precise);
    const [b, h, wd] = x.shape;
    const [kh, kw, , d] = w.shape;
    const { stride, pad } = attrs;
    const out = [b, outputSize(h, kh, stride, pad[0]), outputSize(wd, kw, stride, pad[1]), d];
    const inputs = [emit.cast(x, type), emit.cast(w, type)];
    if (winogradComputes(w.shape, attrs, type))
      return emit.op(WINOGRAD_CONV, inputs, { T: { type }, N: 0, silu: false }, out, type);
    return emit.op('Conv2D', inputs, { T: { type }, ...convAttrs(w.shape, attrs) }, out, type);
  },
  composed: ({ x, w }, { stride, pad }) => {
    const [kh, kw] = w.shape;
    const same = stride === 1 && kh % 2 === 1 && kw % 2 === 1 && pad[0] === kh >> 1 && pad[1] === kw >> 1;
    if (same) return tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same');
    const sides: [number, number][] = [
      [0, 0],
      [pad[0], pad[0]],
      [pad[1], pad[1]],
      [0, 0],
    ];
    return tf.conv2d((pad[0] || pad[1] ? tf.pad(x, sides) : x) as tf.Tensor4D, w as tf.Tensor4D, stride, 'valid');
  },
  gradient: {
    save: ['x', 'w'],
    of: ([dy], [x, w], { stride, pad }) => ({
      x: () => convInputGrad({ dy, w }, { stride, pad, shape: x.shape })[0],
      w: () => convFilterGrad({ x, dy }, { stride, pad, shape: w.shape })[0],
    }),
  },
});

/**
 * With explicit padding TensorFlow computes both gradients by a slow algorithm (im2col, col2im). The input gradient of the
 * padded image without padding, cropped, takes half the time, and the kernel gradient from a padded x a third.
 */
const convInputGrad = defineOp<'dy' | 'w', ConvGeometry & { shape: number[] }>({
  name: 'TorchConv2DInputGrad',
  inputs: ['dy', 'w'],
  half: true,
  kernel(emit, { dy, w }, { shape, ...attrs }) {
    const type = convType(emit);
    const T = { type };
    if (winogradComputes(w.shape, attrs, type))
      return emit.op(WINOGRAD_INPUT_GRAD, [emit.cast(dy, type), emit.cast(w, type)], { T }, shape, type);
    const { pass, sides, padded } = unpadded(shape, w.shape, dy.shape, attrs);
    const inputs = [emit.ints(padded), emit.cast(w, type), emit.cast(dy, type)];
    const dx = emit.op('Conv2DBackpropInput', inputs, { T, ...pass }, padded, type);
    if (!sides) return dx;
    const from = emit.ints([0, sides[0][0], sides[1][0], 0]);
    return emit.op('Slice', [dx, from, emit.ints(shape)], { T, Index: { type: 'int32' } }, shape, type);
  },
});

const convFilterGrad = defineOp<'x' | 'dy', ConvGeometry & { shape: number[] }>({
  name: 'TorchConv2DFilterGrad',
  inputs: ['x', 'dy'],
  half: true,
  kernel(emit, { x, dy }, { shape, ...attrs }) {
    // With AVX2 alone TensorFlow would add up thousands of products in bfloat16.
    const type = convType(emit, loadedTensorflow()?.products);
    const T = { type };
    if (winogradComputes(shape, attrs, type))
      return emit.op(WINOGRAD_FILTER_GRAD, [emit.cast(x, type), emit.cast(dy, type)], { T }, shape);
    if (productsCompute(shape, attrs, type)) {
      const window = windowAttrs(shape, attrs.stride);
      return emit.op('ConvFilterGrad', [emit.cast(x, type), emit.cast(dy, type)], { T, ...window }, shape);
    }
    const { pass, sides, padded } = unpadded(x.shape, shape, dy.shape, attrs);
    let from = emit.cast(x, type);
    if (sides) {
      const paddings = emit.ints([[0, 0], ...sides, [0, 0]]);
      from = emit.op('Pad', [from, paddings], { T, Tpaddings: { type: 'int32' } }, padded, type);
    }
    const dw = emit.op(
      'Conv2DBackpropFilter',
      [from, emit.ints(shape), emit.cast(dy, type)],
      { T, ...pass },
      shape,
      type,
    );
    return emit.cast(dw, 'float32');
  },
});

/** Whether native/fused computes the convolution and its gradients. */
function winogradComputes(kernel: readonly number[], { stride, pad }: ConvGeometry, type: ElementType): boolean {
  const centred = pad[0] === 1 && pad[1] === 1;
  return !!loadedTensorflow()?.winograd && type === 'float32' && centred && isWinograd(kernel, stride);
}

/** With fewer channels or filters the products in float32 are not faster. */
const PRODUCT_CHANNELS = 32;

/**
 * Whether native/fused has products of matrices for the filter's gradient: in bfloat16 with AMX, a third of the time of oneDNN's;
 * in float32 with AVX2, up to half, but more with few channels or filters. With AVX2 alone oneDNN's is wrong for 1 x 1 kernels with
 * stride 2 and less than 8 channels.
 */
function productsCompute([kh, kw, ...channels]: number[], { stride, pad }: ConvGeometry, type: ElementType): boolean {
  const { tiles, winograd } = loadedTensorflow() ?? {};
  const worthwhile = Math.min(...channels) >= PRODUCT_CHANNELS || (kh * kw === 1 && stride === 2);
  const fast = type === 'bfloat16' ? tiles : winograd && worthwhile && kh * kw <= 9;
  return !!fast && stride <= 2 && 2 * pad[0] === kh - 1 && 2 * pad[1] === kw - 1;
}

/** The same convolution of a previously padded image, if oneDNN's gradients do not support the padding. */
function unpadded(
  x: number[],
  w: number[],
  dy: number[],
  attrs: ConvGeometry,
): { pass: Attrs; padded: number[]; sides?: [before: number, after: number][] } {
  const pass = convAttrs(w, attrs);
  if (pass.padding !== 'EXPLICIT') return { pass, padded: x };
  const sides = [0, 1].map((i): [number, number] => {
    const reached = (dy[i + 1] - 1) * attrs.stride + w[i]; // pixels covered by the kernel
    return [attrs.pad[i], Math.max(0, reached - x[i + 1] - attrs.pad[i])];
  });
  const padded = x.map((d, i) => (i === 1 || i === 2 ? d + sides[i - 1][0] + sides[i - 1][1] : d));
  return { pass: convAttrs(w, { ...attrs, pad: [0, 0] }), padded, sides };
}

/** x [B, H, W, C] + b [C]. */
export function biasAdd(x: tf.Tensor, b: tf.Tensor): tf.Tensor4D {
  return biasAddOp({ x, b }, {})[0] as tf.Tensor4D;
}

const biasAddOp = defineOp<'x' | 'b', object>({
  name: 'ChannelBiasAdd',
  inputs: ['x', 'b'],
  half: true,
  kernel(emit, { x, b }) {
    const T = emit.type(x);
    return emit.op('BiasAdd', [x, emit.cast(b, T.type)], { T, data_format: NHWC }, x.shape, T.type);
  },
  composed: ({ x, b }) => tf.add(x, b),
  gradient: { of: ([dy]) => ({ x: () => tf.clone(dy), b: () => biasGrad({ dy }, {})[0] }) },
});

const biasGrad = defineOp<'dy', object>({
  name: 'ChannelBiasAddGrad',
  inputs: ['dy'],
  kernel: (emit, { dy }) =>
    emit.op('BiasAddGrad', [dy], { T: emit.type(dy), data_format: NHWC }, [dy.shape[dy.shape.length - 1]]),
});

// ---- batch normalisation

type NormAttrs = { epsilon: number };
const FLOAT = { type: 'float32' } as const;

/**
 * Batch normalization with the statistics of the batch.
 * @param x [B, H, W, C] @param gamma [C] @param beta [C]
 * @returns y [B, H, W, C]; mean and unbiased variance of the batch [C] (as in PyTorch's running variance), not differentiable
 */
export function batchNormTrain(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps = 1e-3) {
  const [y, mean, variance] = batchNormOp({ x, gamma, beta }, { epsilon: eps });
  return { y: y as tf.Tensor4D, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
}

const batchNormOp = defineOp<'x' | 'gamma' | 'beta', NormAttrs>({
  name: 'BatchNormTrain',
  inputs: ['x', 'gamma', 'beta'],
  kernel(emit, { x, gamma, beta }, { epsilon }) {
    const c = [gamma.shape[0]];
    const none = emit.fill(0, [0], 'float32');
    const attrs = { ...normAttrs(epsilon), exponential_avg_factor: { float: 1 } };
    const shapes = [x.shape, c, c, c, c, [0]];
    return emit.ops(
      'FusedBatchNormV3',
      [x, gamma, beta, none, none],
      attrs,
      shapes.map((shape) => ({ shape, dtype: 'float32' })),
    );
  },
  composed({ x, gamma, beta }, { epsilon }) {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    const n = x.size / gamma.size;
    const y = tf.batchNorm(
      x as tf.Tensor4D,
      mean as tf.Tensor1D,
      variance as tf.Tensor1D,
      beta as tf.Tensor1D,
      gamma as tf.Tensor1D,
      epsilon,
    );
    return [y, mean, tf.mul(variance, n / Math.max(n - 1, 1))];
  },
  gradient: {
    save: ['x', 'gamma'],
    saveOutputs: [false, false, false, true, true, true],
    of([dy], [x, gamma, r1, r2, r3], attrs) {
      // One op computes all three. It is outside of the functions below because tfjs calls each of them in a tidy.
      const [dx, dgamma, dbeta] = batchNormGrad({ dy, x, gamma, r1, r2, r3 }, attrs);
      return { x: () => dx, gamma: () => dgamma, beta: () => dbeta };
    },
  },
});

const batchNormGrad = defineOp<'dy' | 'x' | 'gamma' | 'r1' | 'r2' | 'r3', NormAttrs>({
  name: 'BatchNormTrainGrad',
  inputs: ['dy', 'x', 'gamma', 'r1', 'r2', 'r3'],
  kernel(emit, { dy, x, gamma, r1, r2, r3 }, { epsilon }) {
    const shapes = [x.shape, gamma.shape, gamma.shape, [0], [0]];
    return emit
      .ops(
        'FusedBatchNormGradV3',
        [dy, x, gamma, r1, r2, r3],
        normAttrs(epsilon),
        shapes.map((shape) => ({ shape, dtype: 'float32' })),
      )
      .slice(0, 3);
  },
});

function normAttrs(epsilon: number): Attrs {
  return { T: FLOAT, U: FLOAT, epsilon: { float: epsilon }, data_format: NHWC, is_training: true };
}

// ---- activation

/** x · sigmoid(x) (Elfwing et al. 2017, "SiLU"). */
export function silu<T extends tf.Tensor>(x: T): T {
  return siluOp({ x }, {})[0] as T;
}

const siluOp = defineOp<'x', object>({
  name: 'Silu',
  inputs: ['x'],
  half: true,
  kernel(emit, { x }) {
    const T = emit.type(x);
    const s = emit.op('Sigmoid', [x], { T }, x.shape, T.type);
    return emit.op('Mul', [x, s], { T }, x.shape, T.type);
  },
  composed: ({ x }) => tf.mul(x, tf.sigmoid(x)),
  gradient: { save: ['x'], of: ([dy], [x]) => ({ x: () => siluGrad({ dy, x }, {})[0] }) },
});

/** dy · (s + x·s·(1 − s)): three passes over memory instead of tfjs' seven; a traced graph shares s with the forward pass. */
const siluGrad = defineOp<'dy' | 'x', object>({
  name: 'SiluGrad',
  inputs: ['dy', 'x'],
  kernel(emit, { dy, x }) {
    const T = emit.type(x);
    const s = emit.op('Sigmoid', [x], { T }, x.shape);
    const slope = emit.op('SigmoidGrad', [s, x], { T }, x.shape); // x·s·(1 − s)
    return emit.op('Mul', [dy, emit.op('AddV2', [slope, s], { T }, x.shape)], { T }, x.shape);
  },
});

// ---- pooling and resizing

/**
 * Maximum pooling over 5 x 5 with stride 1; padding counts as −infinity, because SiLU has negative values.
 * @param x [B, H, W, C] @returns [B, H, W, C]
 */
export function maxPool5(x: tf.Tensor): tf.Tensor4D {
  return maxPool5Op({ x }, {})[0] as tf.Tensor4D;
}

const maxPool5Op = defineOp<'x', object>({
  name: 'MaxPool5',
  inputs: ['x'],
  half: true,
  kernel: (emit, { x }) => emit.op('MaxPool', [x], { T: emit.type(x), ...POOL5 }, x.shape, emit.type(x).type),
  composed: ({ x }) => tf.maxPool(x as tf.Tensor4D, 5, 1, 'same'),
  gradient: {
    save: ['x'],
    saveOutputs: [true],
    of: ([dy], [x, y]) => ({ x: () => maxPool5Grad({ x, y, dy }, {})[0] }),
  },
});

const maxPool5Grad = defineOp<'x' | 'y' | 'dy', object>({
  name: 'MaxPool5Grad',
  inputs: ['x', 'y', 'dy'],
  half: true,
  kernel(emit, { x, y, dy }) {
    const T = emit.type(x);
    return emit.op('MaxPoolGrad', [x, y, emit.cast(dy, T.type)], { T, ...POOL5 }, x.shape, T.type);
  },
});

/** Nearest-neighbour upsampling by a factor of 2: [B, H, W, C] → [B, 2H, 2W, C]. */
export function upsample2x(x: tf.Tensor): tf.Tensor4D {
  return upsample2xOp({ x }, {})[0] as tf.Tensor4D;
}

const upsample2xOp = defineOp<'x', object>({
  name: 'Upsample2x',
  inputs: ['x'],
  half: true,
  kernel(emit, { x }) {
    const [b, h, w, c] = x.shape;
    const T = emit.type(x);
    const attrs = { T, align_corners: false, half_pixel_centers: false };
    return emit.op('ResizeNearestNeighbor', [x, emit.ints([2 * h, 2 * w])], attrs, [b, 2 * h, 2 * w, c], T.type);
  },
  composed: ({ x }) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [2 * x.shape[1]!, 2 * x.shape[2]!]),
  gradient: { of: ([dy]) => ({ x: () => upsample2xGrad({ dy }, {})[0] }) },
});

/** Sum over 2 x 2 blocks as 4 · AvgPool, which is multi-threaded; ResizeNearestNeighborGrad is not. */
const upsample2xGrad = defineOp<'dy', object>({
  name: 'Upsample2xGrad',
  inputs: ['dy'],
  half: true,
  kernel(emit, { dy }) {
    const [b, h, w, c] = dy.shape;
    const T = emit.type(dy);
    const shape = [b, h / 2, w / 2, c];
    const attrs = { T, ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1], padding: 'VALID', data_format: NHWC };
    const mean = emit.op('AvgPool', [dy], attrs, shape, T.type);
    return emit.op('Mul', [mean, emit.cast(emit.fill(4, [], 'float32'), T.type)], { T }, shape, T.type);
  },
});

// ---- gradient tape

/**
 * Computes without recording gradients: the result of `fn` is treated as a constant. tfjs has no stopGradient; this
 * suspends its tape, also that of an enclosing trace.
 */
export function stopGradient<T>(fn: () => T): T {
  const state = tf.engine().state as unknown as { gradientDepth: number; activeTape: unknown };
  const { gradientDepth, activeTape } = state;
  state.gradientDepth = 0;
  try {
    return fn();
  } finally {
    state.gradientDepth = gradientDepth;
    state.activeTape = activeTape;
  }
}
