/**
 * Interpreter of the operations for shape inference: channels and strides, from which follow parameters and costs, counted as
 * in YOLOv8's published tables.
 */
import type { Conv, Ops, PlainConv } from './ops.js';
import { type ParameterSpec, sizeOf } from './parameters.js';

/** Shape of a value. */
export interface Shape {
  channels: number;
  /** Image pixels per cell; for rows of cells one stride per feature map. */
  strides: number[];
}

/** Cost of one layer or several. */
export interface Cost {
  /** Trained values, and the constant kernel of the DFL. */
  parameters: number;
  /** Of these, parameters removed by folding BatchNorm. */
  foldable: number;
  /** Number of PyTorch modules: convolutions, BatchNorms, poolings. */
  parts: number;
  /** Of these, BatchNorms. */
  norms: number;
  /** Operations per image: two per multiply-add of convolutions and attention; other operations are not counted. */
  flops: number;
  /** Operations of BatchNorms: eight per value. */
  normFlops: number;
  /** Output values of convolutions and poolings per image. */
  activations: number;
}

const ZERO: Cost = { parameters: 0, foldable: 0, parts: 0, norms: 0, flops: 0, normFlops: 0, activations: 0 };

/** Collects parameters and costs while shapes are inferred. */
export class ShapeOps implements Ops<Shape> {
  /** In the order of their use. */
  readonly parameters: ParameterSpec[] = [];
  /** By layer. */
  readonly costs: Cost[] = [];
  private layer: Cost = { ...ZERO };
  /** Names of poolings; one that is used several times is one module. */
  private readonly seen = new Set<string>();

  /** @param imgsz height and width of the image, pixels; without it flops and activations are 0 */
  constructor(private readonly imgsz: readonly [height: number, width: number] = [0, 0]) {}

  begin(layer: number): void {
    this.layer = { ...ZERO };
    this.costs[layer] = this.layer;
  }

  conv(x: Shape, name: string, { to, kernel = 1, stride = 1, depthwise = false, activation = true }: Conv): Shape {
    const y = { channels: to, strides: x.strides.map((s) => s * stride) };
    const from = depthwise ? 1 : x.channels; // input channels of a kernel
    const fanIn = kernel * kernel * from;
    this.declare({ name: `${name}.conv.weight`, shape: [kernel, kernel, from, to], kind: 'weight', start: { fanIn } });
    this.declare({ name: `${name}.bn.weight`, shape: [to], kind: 'bn', start: { value: 1 } });
    this.declare({ name: `${name}.bn.bias`, shape: [to], kind: 'bias', start: { value: 0 } });
    this.declare({ name: `${name}.bn.running_mean`, shape: [to], kind: 'mean', start: { value: 0 } });
    this.declare({ name: `${name}.bn.running_var`, shape: [to], kind: 'variance', start: { value: 1 } });
    // In ultralytics' network no activation is a module (Identity), and SiLU is one module shared by all.
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
    // In ultralytics' network a 1x1 convolution with the constant kernel 0, 1, … bins − 1 (DFL).
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

  /** Number of values per image. */
  private values({ channels, strides }: Shape): number {
    const [height, width] = this.imgsz;
    const cells = strides.map((s) => Math.ceil(height / s) * Math.ceil(width / s));
    return channels * cells.reduce((a, b) => a + b, 0);
  }
}
