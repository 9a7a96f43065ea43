/**
 * Depthwise convolution: one kernel per channel. Kernels are [kh, kw, 1, C] (HWIO, as of other convolutions); TensorFlow's
 * layout of the same data is [kh, kw, C, 1]. Computed in float32 even if feature maps are bfloat16.
 */
import * as tf from '@tensorflow/tfjs-core';
import { defineOp, type Emitter } from '../graph/raw.js';
import { loadedTensorflow } from '../graph/tensorflow.js';
import { convAttrs, outputSize } from './op-attrs.js';

type Stride = { stride: number };
const FLOAT = { type: 'float32' } as const;
const INT32 = { type: 'int32' } as const;

/**
 * Depthwise convolution with PyTorch's padding, k // 2 on both sides.
 * @param x [B, H, W, C]
 * @param w [kh, kw, 1, C], kh and kw odd
 * @returns [B, H', W', C]
 */
export function depthwiseConv2d(x: tf.Tensor, w: tf.Tensor, stride = 1): tf.Tensor4D {
  const [kh, kw, , c] = w.shape as [number, number, number, number];
  return depthwiseConv2dOp({ x, w: tf.reshape(w, [kh, kw, c, 1]) }, { stride })[0] as tf.Tensor4D;
}

const depthwiseConv2dOp = defineOp<'x' | 'w', Stride>({
  name: 'TorchDepthwiseConv2D',
  inputs: ['x', 'w'],
  kernel(emit, { x, w }, { stride }) {
    const [b, h, wd, c] = x.shape;
    const [kh, kw] = w.shape;
    const shape = [b, outputSize(h, kh, stride, kh >> 1), outputSize(wd, kw, stride, kw >> 1), c];
    return emit.op('DepthwiseConv2dNative', [x, w], attrsOf(w.shape, stride), shape);
  },
  composed: ({ x, w }, { stride }) => {
    if (stride === 1) return tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same');
    return tf.depthwiseConv2d(tf.pad(x as tf.Tensor4D, sidesOf(w.shape)), w as tf.Tensor4D, stride, 'valid');
  },
  gradient: {
    save: ['x', 'w'],
    of: ([dy], [x, w], { stride }) => ({
      x: () => inputGrad({ dy, w }, { stride, shape: x.shape })[0],
      w: () => filterGrad({ x, dy }, { stride, shape: w.shape })[0],
    }),
  },
});

const inputGrad = defineOp<'dy' | 'w', Stride & { shape: number[] }>({
  name: 'TorchDepthwiseConv2DInputGrad',
  inputs: ['dy', 'w'],
  kernel: (emit, { dy, w }, { stride, shape }) =>
    emit.op('DepthwiseConv2dNativeBackpropInput', [emit.ints(shape), w, dy], attrsOf(w.shape, stride), shape),
});

const filterGrad = defineOp<'x' | 'dy', Stride & { shape: number[] }>({
  name: 'TorchDepthwiseConv2DFilterGrad',
  inputs: ['x', 'dy'],
  kernel(emit, { x, dy }, { stride, shape }) {
    if (loadedTensorflow()?.gpu) return filterSums(emit, x, dy, stride, shape);
    const inputs = [x, emit.ints(shape), dy];
    return emit.op('DepthwiseConv2dNativeBackpropFilter', inputs, attrsOf(shape, stride), shape);
  },
});

/**
 * Gradient of a kernel [kh, kw, C, 1], element by element: the sum of dy times the shifted x. TensorFlow's op is not
 * deterministic on GPUs, and raises an error there if deterministic ops are enabled.
 */
function filterSums(emit: Emitter, x: tf.TensorInfo, dy: tf.TensorInfo, stride: number, shape: number[]) {
  const T = FLOAT;
  const [kh, kw, c] = shape;
  const [b, h, w] = dy.shape;
  const size = [b, x.shape[1] + 2 * (kh >> 1), x.shape[2] + 2 * (kw >> 1), c];
  const padded = emit.op('Pad', [x, emit.ints(sidesOf(shape))], { T, Tpaddings: INT32 }, size);
  const cells = Array.from({ length: kh * kw }, (_, i) => {
    const [row, column] = [Math.floor(i / kw), i % kw];
    const end = [b, row + (h - 1) * stride + 1, column + (w - 1) * stride + 1, c];
    const range = [[0, row, column, 0], end, [1, stride, stride, 1]].map((at) => emit.ints(at));
    const met = emit.op('StridedSlice', [padded, ...range], { T, Index: INT32 }, dy.shape);
    const product = emit.op('Mul', [met, dy], { T }, dy.shape);
    return emit.op('Sum', [product, emit.ints([0, 1, 2])], { T, Tidx: INT32, keep_dims: false }, [c]);
  });
  const stacked = emit.op('Pack', cells, { T, N: cells.length, axis: 0 }, [cells.length, c]);
  return emit.op('Reshape', [stacked, emit.ints(shape)], { T, Tshape: INT32 }, shape);
}

function attrsOf([kh, kw]: number[], stride: number) {
  return { T: FLOAT, ...convAttrs([kh, kw], { stride, pad: [kh >> 1, kw >> 1] }) };
}

/** Padding before and after each axis. */
function sidesOf([kh, kw]: number[]): [number, number][] {
  const [rows, columns] = [kh >> 1, kw >> 1];
  return [
    [0, 0],
    [rows, rows],
    [columns, columns],
    [0, 0],
  ];
}
