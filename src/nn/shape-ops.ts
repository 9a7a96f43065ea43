/**
 * The network without numbers: channels and strides go through it, and out come the parameters that it needs and what it
 * costs. Counted as YOLOv8's published tables count.
 */
import type { Conv, Ops, PlainConv } from './ops.js';
import { type ParameterSpec, sizeOf } from './parameters.js';

export interface Shape {
  channels: number;
  /** Image pixels to a cell; of rows of cells one for each feature map that is in them. */
  strides: number[];
}

/** Of a layer, or of several. */
export interface Cost {
  /** Trained values; the fixed kernel that turns a distribution into a distance counts too. */
  parameters: number;
  /** Of these, the ones that folding BatchNorm into its convolution takes away. */
  foldable: number;
  /** Parts that PyTorch has as modules: convolutions, BatchNorms, poolings. */
  parts: number;
  /** Of these, BatchNorms. */
  norms: number;
  /**
   * Operations for one image: two for each multiplication and addition of a convolution or of attention; activations,
   * poolings and sums don't count.
   */
  flops: number;
  /** Operations of BatchNorms: eight for each value. */
  normFlops: number;
  /** Values for one image that convolutions and poolings put out. */
  activations: number;
}

const NOTHING: Cost = { parameters: 0, foldable: 0, parts: 0, norms: 0, flops: 0, normFlops: 0, activations: 0 };

export class ShapeOps implements Ops<Shape> {
  /** In the order in which the network comes by them. */
  readonly parameters: ParameterSpec[] = [];
  /** By layer. */
  readonly costs: Cost[] = [];
  private layer: Cost = { ...NOTHING };
  /** Names of poolings: one that is used several times is one part. */
  private readonly seen = new Set<string>();

  /** @param imgsz height and width of the image, for what depends on it */
  constructor(private readonly imgsz: readonly [height: number, width: number] = [0, 0]) {}

  begin(layer: number): void {
    this.layer = { ...NOTHING };
    this.costs[layer] = this.layer;
  }

  conv(x: Shape, name: string, { to, kernel = 1, stride = 1, depthwise = false, activation = true }: Conv): Shape {
    const y = { channels: to, strides: x.strides.map((s) => s * stride) };
    const seen = depthwise ? 1 : x.channels; // channels that a kernel sees
    const fanIn = kernel * kernel * seen;
    this.declare({ name: `${name}.conv.weight`, shape: [kernel, kernel, seen, to], kind: 'weight', start: { fanIn } });
    this.declare({ name: `${name}.bn.weight`, shape: [to], kind: 'bn', start: { value: 1 } });
    this.declare({ name: `${name}.bn.bias`, shape: [to], kind: 'bias', start: { value: 0 } });
    this.declare({ name: `${name}.bn.running_mean`, shape: [to], kind: 'mean', start: { value: 0 } });
    this.declare({ name: `${name}.bn.running_var`, shape: [to], kind: 'variance', start: { value: 1 } });
    // PyTorch has a module for no activation; SiLU is one that all share.
    this.spend({
      parts: activation ? 2 : 3,
      norms: 1,
      flops: 2 * fanIn * this.values(y),
      normFlops: 8 * this.values(y),
    });
    this.spend({ activations: this.values(y) });
    return y;
  }

  convAndHalf(x: Shape, name: string, conv: Conv): { whole: Shape; half: Shape } {
    const whole = this.conv(x, name, conv);
    return { whole, half: { ...whole, channels: conv.to / 2 } };
  }

  plainConv(x: Shape, name: string, { to, bias }: PlainConv): Shape {
    const y = { ...x, channels: to };
    this.declare({
      name: `${name}.weight`,
      shape: [1, 1, x.channels, to],
      kind: 'weight',
      start: { fanIn: x.channels },
    });
    this.declare({ name: `${name}.bias`, shape: [to], kind: 'bias', start: { value: bias } });
    this.spend({ parts: 1, flops: 2 * x.channels * this.values(y), activations: this.values(y) });
    return y;
  }

  maxPool5(x: Shape, name: string): Shape {
    this.spend({ parts: this.seen.has(name) ? 0 : 1, activations: this.values(x) });
    this.seen.add(name);
    return x;
  }

  upsample2x(x: Shape): Shape {
    return { ...x, strides: x.strides.map((s) => s / 2) };
  }

  attend(q: Shape, _k: Shape, v: Shape): Shape {
    const cells = this.values({ ...v, channels: 1 });
    this.spend({ flops: 2 * cells * cells * (q.channels + v.channels) });
    return v;
  }

  cells(maps: Shape[]): Shape {
    return { channels: maps[0].channels, strides: maps.flatMap(({ strides }) => strides) };
  }

  concat(xs: Shape[]): Shape {
    return { ...xs[0], channels: xs.reduce((sum, { channels }) => sum + channels, 0) };
  }

  split(x: Shape, channels: number[]): Shape[] {
    return channels.map((n) => ({ ...x, channels: n }));
  }

  add(a: Shape): Shape {
    return a;
  }

  sub(a: Shape): Shape {
    return a;
  }

  mul(a: Shape): Shape {
    return a;
  }

  scale(x: Shape): Shape {
    return x;
  }

  sigmoid(x: Shape): Shape {
    return x;
  }

  expectation(x: Shape, _name: string, sides: number, bins: number): Shape {
    // In PyTorch a 1x1 convolution whose kernel is 0, 1, … bins − 1.
    this.spend({ parameters: bins, parts: 1, flops: 2 * this.values(x) });
    return { ...x, channels: sides };
  }

  private declare(parameter: ParameterSpec): void {
    this.parameters.push(parameter);
    const { kind } = parameter;
    if (kind === 'mean' || kind === 'variance') return;
    this.spend({ parameters: sizeOf(parameter), foldable: kind === 'bn' ? sizeOf(parameter) : 0 });
  }

  private spend(cost: Partial<Cost>): void {
    for (const [key, n] of Object.entries(cost)) this.layer[key as keyof Cost] += n;
  }

  /** Number of values of one image in it. */
  private values({ channels, strides }: Shape): number {
    const [height, width] = this.imgsz;
    const cells = strides.map((s) => Math.ceil(height / s) * Math.ceil(width / s));
    return channels * cells.reduce((a, b) => a + b, 0);
  }
}
