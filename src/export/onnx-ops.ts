/**
 * The network as nodes of an ONNX graph: BatchNorm folded, feature maps [B, C, H, W], rows of cells [B, C, A]. With half,
 * everything up to the rows of cells is float16; decoding stays float32, since coordinates beyond 512 have steps of half a
 * pixel in float16.
 */
import type { NamedArray } from '../core/types.js';
import { floatToHalf } from '../io/half.js';
import { foldedArray, foldedShape } from '../nn/fold.js';
import type { Conv, Ops, PlainConv } from '../nn/ops.js';
import { ELEMENT, type OnnxGraph } from './onnx-graph.js';

/** A value is the name of a node's output. */
export class OnnxOps implements Ops<string> {
  /** What nodes without a name of their own are called after. */
  private layer = 'model';

  /** @param weights as in a checkpoint; each is folded when it is written */
  constructor(
    private readonly graph: OnnxGraph,
    private readonly weights: ReadonlyMap<string, NamedArray>,
    private readonly half: boolean,
  ) {}

  begin(layer: number): void {
    this.layer = `model.${layer}`;
  }

  /** The input of the graph, RGB 0..1, as layers take it. */
  image(name: string): string {
    return this.narrowed(name);
  }

  conv(x: string, name: string, { activation = true, ...conv }: Conv): string {
    const y = this.conv2d(x, `${name}.conv`, conv);
    if (!activation) return y;
    return this.graph.op('Mul', `${name}.silu`, [y, this.graph.op('Sigmoid', `${name}.sigmoid`, [y])]);
  }

  convAndHalf(x: string, name: string, conv: Conv): { whole: string; half: string } {
    const whole = this.conv(x, name, conv);
    return { whole, half: this.split(whole, [conv.to / 2, conv.to / 2])[1] };
  }

  plainConv(x: string, name: string, { to }: PlainConv): string {
    return this.conv2d(x, name, { to });
  }

  /** Convolution with bias, that of the layer or of the folded BatchNorm. */
  private conv2d(x: string, name: string, { to, kernel = 1, stride = 1, depthwise = false }: Conv): string {
    const pad = kernel >> 1;
    return this.graph.op('Conv', name, [x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      dilations: [1, 1],
      group: depthwise ? to : 1,
    });
  }

  private weight(name: string): string {
    const shape = foldedShape(this.weights, name);
    if (!shape) throw new Error(`the weights have no '${name}'`);
    const values = () => foldedArray(this.weights, name)!.data;
    return this.half
      ? this.graph.constant(name, 'float16', shape, () => floatToHalf(values()))
      : this.graph.constant(name, 'float32', shape, values);
  }

  maxPool5(x: string, name: string): string {
    // Padding of ONNX' MaxPool counts as −infinity, as it must.
    return this.graph.op('MaxPool', name, [x], { kernel_shape: [5, 5], strides: [1, 1], pads: [2, 2, 2, 2] });
  }

  upsample2x(x: string): string {
    const scales = this.graph.floats(`${this.layer}.scales`, [1, 1, 2, 2]);
    return this.graph.op('Resize', `${this.layer}.resize`, [x, '', scales], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    });
  }

  attend(q: string, k: string, v: string, factor: number): string {
    const g = this.graph;
    const at = `${this.layer}.attend`;
    const [qs, ks, vs] = [q, k, v].map((map) =>
      g.op('Reshape', `${map}.rows`, [map, g.ints(`${at}.rows`, [0, 0, -1])]),
    ); // [B, C, HW]
    const turned = g.op('Transpose', `${at}.keys`, [ks], { perm: [0, 2, 1] });
    const logits = this.scale(this.widened(g.op('MatMul', `${at}.products`, [turned, qs])), factor); // [B, keys, queries]
    const weights = g.op('Softmax', `${at}.softmax`, [logits], { axis: 1 });
    const rows = g.op('MatMul', at, [vs, this.narrowed(weights)]);
    return g.op('Reshape', `${at}.map`, [rows, g.op('Shape', `${at}.size`, [v])]);
  }

  cells(maps: string[]): string {
    const rows = this.graph.ints(`${this.layer}.rows`, [0, 0, -1]);
    const parts = maps.map((map) => this.graph.op('Reshape', `${map}.cells`, [this.widened(map), rows])); // [B, C, h·w]
    return this.graph.op('Concat', `${this.layer}.cells`, parts, { axis: 2 });
  }

  private widened(x: string): string {
    return this.half ? this.graph.op('Cast', `${x}.float`, [x], { to: ELEMENT.float32 }) : x;
  }

  private narrowed(x: string): string {
    return this.half ? this.graph.op('Cast', `${x}.half`, [x], { to: ELEMENT.float16 }) : x;
  }

  concat(xs: string[]): string {
    return this.graph.op('Concat', `${this.layer}.concat`, xs, { axis: 1 });
  }

  split(x: string, channels: number[]): string[] {
    const sizes = this.graph.ints(`${this.layer}.split_sizes`, channels);
    return this.graph.split('Split', `${this.layer}.split`, [x, sizes], channels.length, { axis: 1 });
  }

  add(a: string, b: string): string {
    return this.graph.op('Add', `${this.layer}.add`, [a, b]);
  }

  sub(a: string, b: string): string {
    return this.graph.op('Sub', `${this.layer}.sub`, [a, b]);
  }

  mul(a: string, b: string): string {
    return this.graph.op('Mul', `${this.layer}.mul`, [a, b]);
  }

  scale(x: string, factor: number): string {
    return this.mul(x, this.graph.floats(`${this.layer}.factor`, [factor]));
  }

  sigmoid(x: string): string {
    return this.graph.op('Sigmoid', `${this.layer}.sigmoid`, [x]);
  }

  expectation(x: string, name: string, sides: number, bins: number): string {
    const g = this.graph;
    const apart = g.op('Reshape', `${name}.bins`, [x, g.ints(`${name}.shape`, [0, sides, bins, -1])]);
    const p = g.op('Softmax', `${name}.softmax`, [apart], { axis: 2 }); // [B, sides, bins, A]
    const values = g.floats(`${name}.conv.weight`, [...Array(bins).keys()], [1, 1, bins, 1]);
    const weighted = g.op('Mul', `${name}.weighted`, [p, values]);
    return g.op('ReduceSum', name, [weighted, g.ints(`${name}.axis`, [2])], { keepdims: 0 }); // [B, sides, A]
  }
}
