/**
 * The operations that a network is made of, as PyTorch defines them, in tfjs' layout (images NHWC, kernels HWIO).
 * On the native engine and while tracing each is one or two TensorFlow ops with a gradient of its own; elsewhere it is
 * composed of stock tfjs ops. tfjs' own forms don't fit: its 'same' pads a stride-2 convolution at the end only, and its
 * composed batch normalisation takes five times as long.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Attrs, ElementType } from '../graph/graph.js';
import { defineOp, type Emitter } from '../graph/raw.js';
import { convAttrs, NHWC, type ConvAttrs as Place, POOL5, reach } from './op-attrs.js';

// ---- convolution

/** `precise`: in float32 although feature maps are bfloat16. */
type ConvAttrs = Place & { precise?: boolean };

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
  return conv({ x, w }, { stride, pad: [pad, padW], precise })[0] as tf.Tensor4D;
}

/** What a convolution and its gradients compute with. */
const convType = (emit: Emitter, precise = false): ElementType => (emit.half && !precise ? 'bfloat16' : 'float32');

const conv = defineOp<'x' | 'w', ConvAttrs>({
  name: 'TorchConv2D',
  inputs: ['x', 'w'],
  half: true,
  kernel(emit, { x, w }, attrs) {
    const type = convType(emit, attrs.precise);
    const [b, h, wd] = x.shape;
    const [kh, kw, , d] = w.shape;
    const out = [b, reach(h, kh, attrs.stride, attrs.pad[0]), reach(wd, kw, attrs.stride, attrs.pad[1]), d];
    const inputs = [emit.cast(x, type), emit.cast(w, type)];
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
    of: ([dy], [x, w], attrs) => ({
      x: () => convInputGrad({ dy, w }, { ...attrs, shape: x.shape })[0],
      w: () => convFilterGrad({ x, dy }, { ...attrs, shape: w.shape })[0],
    }),
  },
});

/**
 * With padding on both sides TensorFlow leaves both gradients to its slow way (im2col, col2im): the gradient of the padded
 * image without padding, cut to size, takes half the time, and that of the kernel, from x padded before, a third.
 */
const convInputGrad = defineOp<'dy' | 'w', ConvAttrs & { shape: number[] }>({
  name: 'TorchConv2DInputGrad',
  inputs: ['dy', 'w'],
  half: true,
  kernel(emit, { dy, w }, { shape, ...attrs }) {
    const type = convType(emit, attrs.precise);
    const T = { type };
    const { pass, sides, padded } = unpadded(shape, w.shape, dy.shape, attrs);
    const inputs = [emit.ints(padded), emit.cast(w, type), emit.cast(dy, type)];
    const dx = emit.op('Conv2DBackpropInput', inputs, { T, ...pass }, padded, type);
    if (!sides) return dx;
    const from = emit.ints([0, sides[0][0], sides[1][0], 0]);
    return emit.op('Slice', [dx, from, emit.ints(shape)], { T, Index: { type: 'int32' } }, shape, type);
  },
});

const convFilterGrad = defineOp<'x' | 'dy', ConvAttrs & { shape: number[] }>({
  name: 'TorchConv2DFilterGrad',
  inputs: ['x', 'dy'],
  half: true,
  kernel(emit, { x, dy }, { shape, ...attrs }) {
    const type = convType(emit, attrs.precise);
    const T = { type };
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

/** The same convolution over an image that was padded before, where its padding is not one that oneDNN's gradients know. */
function unpadded(
  x: number[],
  w: number[],
  dy: number[],
  attrs: ConvAttrs,
): { pass: Attrs; padded: number[]; sides?: [before: number, after: number][] } {
  const pass = convAttrs(w, attrs);
  if (pass.padding !== 'EXPLICIT') return { pass, padded: x };
  const sides = [0, 1].map((i): [number, number] => {
    const reached = (dy[i + 1] - 1) * attrs.stride + w[i]; // pixels that the kernel meets
    return [attrs.pad[i], Math.max(0, reached - x[i + 1] - attrs.pad[i])];
  });
  const padded = x.map((d, i) => (i === 1 || i === 2 ? d + sides[i - 1][0] + sides[i - 1][1] : d));
  return { pass: convAttrs(w, { ...attrs, pad: [0, 0] }), padded, sides };
}

/** x [B, H, W, C] + b [C]. */
export function biasAdd(x: tf.Tensor, b: tf.Tensor): tf.Tensor4D {
  return addBias({ x, b }, {})[0] as tf.Tensor4D;
}

const addBias = defineOp<'x' | 'b', object>({
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
 * Batch normalisation with the batch's own statistics.
 * @param x [B, H, W, C]
 * @returns y [B, H, W, C]; mean and variance of the batch [C], the variance with n − 1 (what PyTorch's running variance
 *   takes), neither of them differentiable
 */
export function batchNormTrain(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps = 1e-3) {
  const [y, mean, variance] = norm({ x, gamma, beta }, { epsilon: eps });
  return { y: y as tf.Tensor4D, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
}

const norm = defineOp<'x' | 'gamma' | 'beta', NormAttrs>({
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
      // One op gives all three; outside of the functions because each of those is tidied on its own.
      const [dx, dgamma, dbeta] = normGrad({ dy, x, gamma, r1, r2, r3 }, attrs);
      return { x: () => dx, gamma: () => dgamma, beta: () => dbeta };
    },
  },
});

const normGrad = defineOp<'dy' | 'x' | 'gamma' | 'r1' | 'r2' | 'r3', NormAttrs>({
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
  return swish({ x }, {})[0] as T;
}

const swish = defineOp<'x', object>({
  name: 'Silu',
  inputs: ['x'],
  half: true,
  kernel(emit, { x }) {
    const T = emit.type(x);
    const s = emit.op('Sigmoid', [x], { T }, x.shape, T.type);
    return emit.op('Mul', [x, s], { T }, x.shape, T.type);
  },
  composed: ({ x }) => tf.mul(x, tf.sigmoid(x)),
  gradient: { save: ['x'], of: ([dy], [x]) => ({ x: () => swishGrad({ dy, x }, {})[0] }) },
});

/** dy · (s + x·s·(1 − s)): three passes over memory instead of tfjs' seven; a traced graph shares s with the forward pass. */
const swishGrad = defineOp<'dy' | 'x', object>({
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

/** Largest value within 5 x 5, stride 1; what lies outside counts as −infinity (SiLU goes below 0). x [B, H, W, C]. */
export function maxPool5(x: tf.Tensor): tf.Tensor4D {
  return pool5({ x }, {})[0] as tf.Tensor4D;
}

const pool5 = defineOp<'x', object>({
  name: 'MaxPool5',
  inputs: ['x'],
  half: true,
  kernel: (emit, { x }) => emit.op('MaxPool', [x], { T: emit.type(x), ...POOL5 }, x.shape, emit.type(x).type),
  composed: ({ x }) => tf.maxPool(x as tf.Tensor4D, 5, 1, 'same'),
  gradient: {
    save: ['x'],
    saveOutputs: [true],
    of: ([dy], [x, y]) => ({ x: () => pool5Grad({ x, y, dy }, {})[0] }),
  },
});

const pool5Grad = defineOp<'x' | 'y' | 'dy', object>({
  name: 'MaxPool5Grad',
  inputs: ['x', 'y', 'dy'],
  half: true,
  kernel(emit, { x, y, dy }) {
    const T = emit.type(x);
    return emit.op('MaxPoolGrad', [x, y, emit.cast(dy, T.type)], { T, ...POOL5 }, x.shape, T.type);
  },
});

/** Every pixel twice along both sides: [B, H, W, C] → [B, 2H, 2W, C]. */
export function upsample2x(x: tf.Tensor): tf.Tensor4D {
  return double({ x }, {})[0] as tf.Tensor4D;
}

const double = defineOp<'x', object>({
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
  gradient: { of: ([dy]) => ({ x: () => doubleGrad({ dy }, {})[0] }) },
});

/** Sum over each 2 x 2 block, as four times its mean (the pooling op uses all threads, ResizeNearestNeighborGrad one). */
const doubleGrad = defineOp<'dy', object>({
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

// ---- the tape

/**
 * Computes without recording gradients: what `fn` returns counts as constant. tfjs has no stopGradient; this lays its
 * tape aside (also that of an enclosing trace).
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
