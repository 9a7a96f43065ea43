/**
 * Interpreter of the operations that builds the nodes of a TensorFlow graph, without tracing. Batch, height and width may be
 * dynamic: the graph then computes sizes where an operation needs them (reshapes, upsampling, anchor points). Feature maps
 * are [B, H, W, C], rows of cells [B, A, C].
 */
import type { Attrs, ElementType } from '../graph/graph.js';
import type { NodeList } from '../graph/node-list.js';
import { anchorsOf } from './head.js';
import {
  convAttrs,
  FUSED_CONV,
  fusedAttrs,
  isWinograd,
  NHWC,
  outputSize,
  POOL5,
  PRODUCT_CONV,
  WINOGRAD_CONV,
  windowAttrs,
} from './op-attrs.js';
import type { Conv, Ops, PlainConv } from './ops.js';

/** A value in the graph. */
export interface GraphValue {
  /** Output of a node. */
  ref: string;
  /** −1 for a dynamic size. */
  shape: number[];
  type: 'float32' | 'bfloat16';
}

const INT32 = { type: 'int32' } as const;
const FLOAT = { type: 'float32' } as const;
/** Attributes of ops that take int32 axes or sizes. */
const INDEX = { Tidx: INT32 } as const;

/** Precision, and which ops may be used for convolution, bias and SiLU. */
export interface OpsOptions {
  /** Feature maps in bfloat16; rows of cells are always float32. Default: false. */
  half?: boolean;
  /** One op of oneDNN, where there is one, as TensorFlow's graph optimization would make it. Default: false. */
  fused?: boolean;
  /** Those of native/fused, which are faster, in float32: for convolutions by minimal filtering. Default: false. */
  winograd?: boolean;
  /** For all other convolutions. Default: false. */
  products?: boolean;
}

/** Adds nodes to a list while the operations are interpreted. */
export class GraphOps implements Ops<GraphValue> {
  private layer = 'model';

  /** @param parameter returns the float32 output of a parameter (BatchNorm folded, kernels HWIO) */
  constructor(
    private readonly list: NodeList,
    private readonly parameter: (name: string, shape: number[]) => string,
    private readonly options: OpsOptions = {},
  ) {}

  begin(layer: number): void {
    this.layer = `model.${layer}`;
  }

  /** Input of the first layers from the images. @param dtype element type of `ref` @param scale factor of the pixels */
  image(ref: string, shape: number[], dtype: ElementType, scale = 1): GraphValue {
    const type = this.options.half ? 'bfloat16' : 'float32';
    if (scale === 1) return { ref: this.list.cast(ref, dtype, type), shape, type };
    const x: GraphValue = { ref: this.list.cast(ref, dtype, 'float32'), shape, type: 'float32' };
    return { ref: this.list.cast(this.scale(x, scale).ref, 'float32', type), shape, type };
  }

  conv(x: GraphValue, name: string, { activation = true, ...conv }: Conv): GraphValue {
    if (!activation) return this.conv2d(x, `${name}.conv`, conv);
    if (this.opFor(conv, x)) return this.conv2d(x, `${name}.conv`, conv, `${name}.silu`);
    const y = this.conv2d(x, `${name}.conv`, conv);
    const s = this.node('Sigmoid', [y], {}, y.shape);
    return this.node('Mul', [y, s], {}, y.shape, `${name}.silu`);
  }

  convAndHalf(x: GraphValue, name: string, conv: Conv): { whole: GraphValue; half: GraphValue } {
    const whole = this.conv(x, name, conv);
    return { whole, half: this.split(whole, [conv.to / 2, conv.to / 2])[1] };
  }

  plainConv(x: GraphValue, name: string, { to }: PlainConv): GraphValue {
    return this.conv2d(x, name, { to });
  }

  /** The op, if there is one, that computes convolution, bias and SiLU. */
  private opFor(
    { to, kernel = 1, stride = 1, depthwise }: Conv,
    { shape: [, , , channels], type }: GraphValue,
  ): string | undefined {
    if (depthwise) return undefined;
    const { fused, winograd, products } = this.options;
    const inFloat = type === 'float32';
    if (winograd && inFloat && isWinograd([kernel, kernel, channels, to], stride)) return WINOGRAD_CONV;
    if (products && inFloat) return PRODUCT_CONV;
    return fused ? FUSED_CONV : undefined;
  }

  /** Convolution with bias. @param silu name of the node that applies SiLU, too, if there is an op for that */
  private conv2d(x: GraphValue, name: string, conv: Conv, silu?: string): GraphValue {
    const { to, kernel: k = 1, stride = 1, depthwise = false } = conv;
    const [b, h, w, c] = x.shape;
    const pad: [number, number] = [k >> 1, k >> 1];
    const side = (n: number) => (n < 0 ? -1 : outputSize(n, k, stride, k >> 1));
    const weight = this.weight(`${name}.weight`, [k, k, depthwise ? 1 : c, to], x.type);
    const kernel = depthwise ? this.reshaped(weight, weight, [k, k, to, 1]) : weight;
    const bias = this.weight(`${name}.bias`, [to], x.type);
    const attrs = convAttrs([k, k], { stride, pad });
    const shape = [b, side(h), side(w), to];
    const op = this.opFor(conv, x);
    if (op) {
      const activated = silu !== undefined;
      const window = op === PRODUCT_CONV ? windowAttrs([k, k], stride) : {};
      const own = op === FUSED_CONV ? fusedAttrs(attrs, x.type, activated) : { N: 1, silu: activated, ...window };
      return this.node(op, [x, kernel, bias], own, shape, silu ?? name);
    }
    const y = this.node(depthwise ? 'DepthwiseConv2dNative' : 'Conv2D', [x, kernel], attrs, shape);
    return this.node('BiasAdd', [y, bias], { data_format: NHWC }, y.shape, name);
  }

  private weight(name: string, shape: number[], type: GraphValue['type']): GraphValue {
    return { ref: this.list.cast(this.parameter(name, shape), 'float32', type), shape, type };
  }

  maxPool5(x: GraphValue, name: string): GraphValue {
    return this.node('MaxPool', [x], POOL5, x.shape, name);
  }

  upsample2x(x: GraphValue): GraphValue {
    const [b, h, w, c] = x.shape;
    const size = this.known([h, w])
      ? this.list.ints([2 * h, 2 * w])
      : this.list.add('Mul', [this.sizes(x, 1, 2), this.list.ints(2)], { T: INT32 });
    const attrs = { T: { type: x.type }, align_corners: false, half_pixel_centers: false };
    const ref = this.list.add('ResizeNearestNeighbor', [x.ref, size], attrs, this.layer);
    const twice = (n: number) => (n < 0 ? -1 : 2 * n);
    return { ...x, ref, shape: [b, twice(h), twice(w), c] };
  }

  attend(q: GraphValue, k: GraphValue, v: GraphValue, factor: number): GraphValue {
    const [qs, ks, vs] = [q, k, v].map((map) => this.rowsOf(map)); // [B, HW, C]
    const [b, n] = vs.shape;
    const product = (x: GraphValue, y: GraphValue, adj_y: boolean, shape: number[]) =>
      this.node('BatchMatMulV2', [x, y], { adj_x: false, adj_y }, shape);
    const logits = this.scale(this.widened(product(qs, ks, true, [b, n, n])), factor);
    const weights = this.node('Softmax', [logits], {}, logits.shape);
    const narrow = { ...weights, ref: this.list.cast(weights.ref, 'float32', v.type), type: v.type };
    return this.reshaped(product(narrow, vs, false, vs.shape), v, v.shape);
  }

  cells(maps: GraphValue[]): GraphValue {
    return this.joined(
      maps.map((map) => this.rowsOf(this.widened(map))),
      1,
    );
  }

  /** [B, H, W, C] → [B, HW, C] */
  private rowsOf(map: GraphValue): GraphValue {
    const [b, h, w, c] = map.shape;
    return this.reshaped(map, map, [b, this.known([h, w]) ? h * w : -1, c]);
  }

  private widened(x: GraphValue): GraphValue {
    return { ...x, ref: this.list.cast(x.ref, x.type, 'float32'), type: 'float32' };
  }

  concat(xs: GraphValue[]): GraphValue {
    return this.joined(xs, xs[0].shape.length - 1);
  }

  private joined(xs: GraphValue[], axis: number): GraphValue {
    if (xs.length === 1) return xs[0]; // ConcatV2 takes two or more
    const sizes = xs.map(({ shape }) => shape[axis]);
    const size = this.known(sizes) ? sizes.reduce((a, b) => a + b, 0) : -1;
    const shape = xs[0].shape.map((n, i) => (i === axis ? size : n));
    const attrs = { N: xs.length, T: { type: xs[0].type }, ...INDEX };
    const ref = this.list.add('ConcatV2', [...xs.map((x) => x.ref), this.list.ints(axis)], attrs);
    return { ...xs[0], ref, shape };
  }

  split(x: GraphValue, channels: number[]): GraphValue[] {
    const axis = x.shape.length - 1;
    const attrs = { num_split: channels.length, T: { type: x.type }, Tlen: INT32 };
    const name = this.list.add('SplitV', [x.ref, this.list.ints(channels), this.list.ints(axis)], attrs);
    return channels.map((n, i) => ({ ...x, ref: i ? `${name}:${i}` : name, shape: [...x.shape.slice(0, -1), n] }));
  }

  add(a: GraphValue, b: GraphValue): GraphValue {
    return this.node('AddV2', [a, b], {}, a.shape);
  }

  sub(a: GraphValue, b: GraphValue): GraphValue {
    return this.node('Sub', [a, b], {}, a.shape);
  }

  mul(a: GraphValue, b: GraphValue): GraphValue {
    return this.node('Mul', [a, b], {}, a.shape);
  }

  scale(x: GraphValue, factor: number): GraphValue {
    return this.mul(x, { ref: this.list.float(factor), shape: [], type: x.type });
  }

  sigmoid(x: GraphValue): GraphValue {
    return this.node('Sigmoid', [x], {}, x.shape);
  }

  expectation(x: GraphValue, name: string, sides: number, bins: number): GraphValue {
    const { list } = this;
    const [b, a] = x.shape;
    const apart = list.add('Reshape', [x.ref, list.ints([-1, bins])], { T: FLOAT, Tshape: INT32 }); // [B·A·sides, bins]
    const p = list.add('Softmax', [apart], { T: FLOAT });
    const values = list.constant({ dtype: 'float32', shape: [bins, 1], values: Float32Array.from(Array(bins).keys()) });
    const attrs = { T: FLOAT, transpose_a: false, transpose_b: false };
    const y = list.add('MatMul', [p, values], attrs, name);
    return this.reshaped({ ...x, ref: y }, x, [b, a, sides]);
  }

  /**
   * Anchor points (centres of all cells) and their strides.
   * @param maps feature maps of the levels @param strides of the levels, image pixels per cell
   * @returns points [1, A, 2], x and y in units of the stride; strides [1, A, 1]
   */
  anchors(maps: readonly GraphValue[], strides: readonly number[]): { points: GraphValue; strides: GraphValue } {
    const sizes = maps.map(({ shape }): [number, number] => [shape[1], shape[2]]);
    if (this.known(sizes.flat())) return this.fixedAnchors(sizes, strides);
    const levels = maps.map((map, i) => this.anchorsOfLevel(map, strides[i]));
    return {
      points: this.joined(
        levels.map(({ points }) => points),
        1,
      ),
      strides: this.joined(
        levels.map((level) => level.strides),
        1,
      ),
    };
  }

  private fixedAnchors(sizes: [number, number][], perLevel: readonly number[]) {
    const { points, strides } = anchorsOf(sizes, perLevel);
    const constant = (values: Float32Array, channels: number): GraphValue => {
      const shape = [1, strides.length, channels];
      return { ref: this.list.constant({ dtype: 'float32', shape, values }), shape, type: 'float32' };
    };
    return { points: constant(points, 2), strides: constant(strides, 1) };
  }

  private anchorsOfLevel(map: GraphValue, stride: number): { points: GraphValue; strides: GraphValue } {
    const { list } = this;
    const size = this.sizes(map, 1, 2);
    const h = list.add('Unpack', [size], { T: INT32, num: 2, axis: 0 });
    const centres = (count: string) => {
      const range = list.add('Range', [list.ints(0), count, list.ints(1)], INDEX);
      return list.add('AddV2', [list.cast(range, 'int32', 'float32'), list.float(0.5)], { T: FLOAT });
    };
    const spread = (x: string) => list.add('BroadcastTo', [x, size], { T: FLOAT, Tidx: INT32 }); // [h, w]
    const column = list.add('Reshape', [centres(h), list.ints([-1, 1])], { T: FLOAT, Tshape: INT32 });
    const grid = list.add('Pack', [spread(centres(`${h}:1`)), spread(column)], { N: 2, T: FLOAT, axis: 2 }); // [h, w, 2]
    const points = list.add('Reshape', [grid, list.ints([1, -1, 2])], { T: FLOAT, Tshape: INT32 });
    const cells = list.add('Mul', [h, `${h}:1`], { T: INT32 });
    const dims = list.add('Pack', [list.ints(1), cells, list.ints(1)], { N: 3, T: INT32, axis: 0 });
    const strides = list.add('Fill', [dims, list.float(stride)], { T: FLOAT, index_type: INT32 });
    return {
      points: { ref: points, shape: [1, -1, 2], type: 'float32' },
      strides: { ref: strides, shape: [1, -1, 1], type: 'float32' },
    };
  }

  /** Transposes [B, A, C] to [B, C, A]; the node has this name. */
  transposed(x: GraphValue, name: string): GraphValue {
    const [b, a, c] = x.shape;
    const ref = this.list.add('Transpose', [x.ref, this.list.ints([0, 2, 1])], { T: FLOAT, Tperm: INT32 }, name);
    return { ...x, ref, shape: [b, c, a] };
  }

  // ---- sizes

  private known(sizes: readonly number[]): boolean {
    return sizes.every((n) => n >= 0);
  }

  /** @returns tensor [count] of the sizes of the axes from `first` on */
  private sizes({ ref, shape, type }: GraphValue, first: number, count: number): string {
    const { list } = this;
    const wanted = shape.slice(first, first + count);
    if (this.known(wanted)) return list.ints(wanted);
    const all = list.add('Shape', [ref], { T: { type }, out_type: INT32 });
    return list.add('Slice', [all, list.ints([first]), list.ints([count])], { T: INT32, Index: INT32 });
  }

  /**
   * @param like value with the same sizes on the leading axes that are dynamic in `shape`
   * @param shape the last dynamic size is inferred from the number of elements
   */
  private reshaped(x: GraphValue, like: GraphValue, shape: number[]): GraphValue {
    const { list } = this;
    let leading = 0;
    while (shape.slice(leading).filter((n) => n < 0).length > 1) leading++;
    let target = list.ints(shape.slice(leading));
    if (leading > 0) {
      const sizes = this.sizes(like, 0, leading);
      target = list.add('ConcatV2', [sizes, target, list.ints(0)], { N: 2, T: INT32, ...INDEX });
    }
    const ref = list.add('Reshape', [x.ref, target], { T: { type: x.type }, Tshape: INT32 });
    return { ...x, ref, shape };
  }

  private node(op: string, inputs: GraphValue[], attrs: Attrs, shape: number[], name?: string): GraphValue {
    const { type } = inputs[0];
    const refs = inputs.map(({ ref }) => ref);
    return { ref: this.list.add(op, refs, { T: { type }, ...attrs }, name ?? `${this.layer}/${op}`), shape, type };
  }
}
