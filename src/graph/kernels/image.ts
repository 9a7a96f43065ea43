/** tfjs' own convolution, pooling, normalisation and resizing (the network uses those of nn/ops). Images are NHWC. */
import * as tf from '@tensorflow/tfjs-core';
import type { Attrs } from '../graph.js';
import { defineSymbolic, type Emitter } from '../raw.js';
import { broadcast, FLOAT, type Info, like } from './common.js';
import { activated } from './matrix.js';

type Shape4 = [number, number, number, number];
type Pad = 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
type Size = number | [number, number];
type Conv = { strides: Size; pad: Pad; dilations?: Size; dataFormat?: 'NHWC' | 'NCHW'; dimRoundingMode?: 'floor' };
type Fused = Conv & { activation?: string; leakyreluAlpha?: number };

function convInfo(x: number[], filter: number[], a: Conv, depthwise = false) {
  if (a.dataFormat === 'NCHW') throw new Error('convolutions in NCHW cannot be traced');
  const { strides, dilations, pad, dimRoundingMode } = a;
  return tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
  );
}

function convAttrs(info: tf.backend_util.Conv2DInfo): Attrs {
  const { type, top, bottom, left, right } = info.padInfo;
  return {
    strides: [1, info.strideHeight, info.strideWidth, 1],
    dilations: [1, info.dilationHeight, info.dilationWidth, 1],
    data_format: 'NHWC',
    ...(type === 'EXPLICIT' || (type as string) === 'NUMBER'
      ? { padding: 'EXPLICIT', explicit_paddings: [0, 0, top, bottom, left, right, 0, 0] }
      : { padding: type }),
  };
}

function conv(emit: Emitter, x: Info, filter: Info, attrs: Conv): Info {
  const info = convInfo(x.shape, filter.shape, attrs);
  return like(emit, 'Conv2D', [x, filter], info.outShape, convAttrs(info));
}

function depthwise(emit: Emitter, x: Info, filter: Info, attrs: Conv): Info {
  const info = convInfo(x.shape, filter.shape, attrs, true);
  return like(emit, 'DepthwiseConv2dNative', [x, filter], info.outShape, convAttrs(info));
}

defineSymbolic<'x' | 'filter', Conv>('Conv2D', (emit, { x, filter }, attrs) => conv(emit, x, filter, attrs));

defineSymbolic<'dy' | 'filter', Conv & { inputShape: number[] }>(
  'Conv2DBackpropInput',
  (emit, { dy, filter }, attrs) => {
    const { inputShape } = attrs;
    const rest = convAttrs(convInfo(inputShape, filter.shape, attrs));
    return emit.op('Conv2DBackpropInput', [emit.ints(inputShape), filter, dy], { T: FLOAT, ...rest }, inputShape);
  },
);

defineSymbolic<'x' | 'dy', Conv & { filterShape: number[] }>('Conv2DBackpropFilter', (emit, { x, dy }, attrs) => {
  const { filterShape } = attrs;
  const rest = convAttrs(convInfo(x.shape, filterShape, attrs));
  return like(emit, 'Conv2DBackpropFilter', [x, emit.ints(filterShape), dy], filterShape, rest);
});

defineSymbolic<'x' | 'filter', Conv>('DepthwiseConv2dNative', (emit, { x, filter }, attrs) =>
  depthwise(emit, x, filter, attrs),
);

defineSymbolic<'dy' | 'filter', Conv & { inputShape: number[] }>(
  'DepthwiseConv2dNativeBackpropInput',
  (emit, { dy, filter }, attrs) => {
    const rest = convAttrs(convInfo(attrs.inputShape, filter.shape, attrs, true));
    const inputs = [emit.ints(attrs.inputShape), filter, dy];
    return emit.op('DepthwiseConv2dNativeBackpropInput', inputs, { T: FLOAT, ...rest }, attrs.inputShape);
  },
);

defineSymbolic<'x' | 'dy', Conv & { filterShape: number[] }>(
  'DepthwiseConv2dNativeBackpropFilter',
  (emit, { x, dy }, attrs) => {
    const rest = convAttrs(convInfo(x.shape, attrs.filterShape, attrs, true));
    return like(
      emit,
      'DepthwiseConv2dNativeBackpropFilter',
      [x, emit.ints(attrs.filterShape), dy],
      attrs.filterShape,
      rest,
    );
  },
);

for (const [name, run] of [
  ['FusedConv2D', conv],
  ['FusedDepthwiseConv2D', depthwise],
] as const) {
  defineSymbolic<'x' | 'filter', Fused>(name, (emit, inputs, attrs) => {
    const { x, filter, bias, preluActivationWeights } = inputs as Record<string, Info | undefined>;
    const y = run(emit, x!, filter!, attrs);
    const biased = bias ? like(emit, 'AddV2', [y, bias], broadcast(y.shape, bias.shape)) : y;
    return activated(emit, biased, attrs, preluActivationWeights);
  });
}

type Pool = { filterSize: Size; strides: Size; pad: Pad; dimRoundingMode?: 'floor' };

function poolInfo(
  shape: number[],
  { filterSize, strides, pad, dimRoundingMode }: Pool,
): { shape: number[]; attrs: Attrs } {
  const info = tf.backend_util.computePool2DInfo(shape as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
  if (info.padInfo.type !== 'VALID' && info.padInfo.type !== 'SAME') {
    throw new Error(`pooling can be traced with 'valid' and 'same' padding, not with ${JSON.stringify(pad)}`);
  }
  const ksize = [1, info.filterHeight, info.filterWidth, 1];
  const attrs = { ksize, strides: [1, info.strideHeight, info.strideWidth, 1], padding: info.padInfo.type };
  return { shape: info.outShape, attrs: { ...attrs, data_format: 'NHWC' } };
}

for (const op of ['MaxPool', 'AvgPool']) {
  defineSymbolic<'x', Pool>(op, (emit, { x }, attrs) => {
    const pool = poolInfo(x.shape, attrs);
    return like(emit, op, [x], pool.shape, pool.attrs);
  });
}

defineSymbolic<'dy' | 'input' | 'output', Pool>('MaxPoolGrad', (emit, { dy, input, output }, attrs) =>
  like(emit, 'MaxPoolGrad', [input, output, dy], input.shape, poolInfo(input.shape, attrs).attrs),
);

defineSymbolic<'dy' | 'input', Pool>('AvgPoolGrad', (emit, { dy, input }, attrs) => {
  const pool = { T: FLOAT, ...poolInfo(input.shape, attrs).attrs };
  return emit.op('AvgPoolGrad', [emit.ints(input.shape), dy], pool, input.shape);
});

type Norm = 'x' | 'mean' | 'variance' | 'scale' | 'offset';

/** Normalisation with given statistics: (x − mean) · scale / √(variance + ε) + offset. */
defineSymbolic<Norm, { varianceEpsilon: number }>('FusedBatchNorm', (emit, inputs, { varianceEpsilon }) => {
  const { x, mean, variance, scale, offset } = inputs as Record<Norm, Info | undefined> & { x: Info };
  const both = (op: string, a: Info, b: Info) => like(emit, op, [a, b], broadcast(a.shape, b.shape));
  const spread = both('AddV2', variance!, emit.fill(varianceEpsilon, [], 'float32'));
  const inverse = like(emit, 'Rsqrt', [spread], spread.shape);
  const y = both('Mul', both('Sub', x, mean!), scale ? both('Mul', inverse, scale) : inverse);
  return offset ? both('AddV2', y, offset) : y;
});

type Resize = { alignCorners: boolean; halfPixelCenters?: boolean; size: [number, number] };

for (const op of ['ResizeNearestNeighbor', 'ResizeBilinear']) {
  defineSymbolic<'images', Resize>(op, (emit, { images }, { alignCorners, halfPixelCenters = false, size }) => {
    const [b, , , c] = images.shape;
    const attrs = { T: emit.type(images), align_corners: alignCorners, half_pixel_centers: halfPixelCenters };
    return emit.op(op, [images, emit.ints(size)], attrs, [b, size[0], size[1], c]);
  });
}

defineSymbolic<'images' | 'dy', Resize>('ResizeNearestNeighborGrad', (emit, { images, dy }, { alignCorners }) =>
  like(emit, 'ResizeNearestNeighborGrad', [dy, emit.ints(images.shape.slice(1, 3))], images.shape, {
    align_corners: alignCorners,
    half_pixel_centers: false,
  }),
);

defineSymbolic<'images' | 'dy', Resize>('ResizeBilinearGrad', (emit, { images, dy }, { alignCorners }) =>
  like(emit, 'ResizeBilinearGrad', [dy, images], images.shape, {
    align_corners: alignCorners,
    half_pixel_centers: false,
  }),
);
