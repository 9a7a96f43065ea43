/**
 * The blocks of YOLOv8: each function declares the parameters it needs, by their names in a checkpoint, and returns
 * what it does with them: build, then call. Nothing here holds a tensor: parameters come in with each call.
 * Shapes: x [B, H, W, C], kernels HWIO.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type BatchNorm, batchNormSilu, secondHalf } from './fused.js';
import { biasAdd, conv2d, maxPool5, silu } from './ops.js';

/** BatchNorm's epsilon and the share of the batch in its running statistics, as YOLOv8 sets them (PyTorch: 1e-5, 0.1). */
export const BN_EPS = 1e-3;
export const BN_MOMENTUM = 0.03;

/**
 * weight: convolution kernel (the group with weight decay); bn: BatchNorm's scale; bias: BatchNorm's offset or a
 * convolution's bias; mean, variance: running statistics, not trained.
 */
export type ParameterKind = 'weight' | 'bn' | 'bias' | 'mean' | 'variance';

export interface ParameterSpec {
  /** As in a checkpoint, e.g. `model.2.m.0.cv1.conv.weight`. */
  name: string;
  /** As a tensor: kernels HWIO. */
  shape: number[];
  kind: ParameterKind;
  /** How it starts: one value, or uniform in ±1/√fanIn (Kaiming-uniform with a = √5, He et al. 2015 as PyTorch has it). */
  start: { value: number } | { fanIn: number };
}

export type Params = Record<string, tf.Tensor>;

/** What one pass through the network carries along. */
export interface Pass {
  params: Params;
  /** True: BatchNorm uses the batch's own statistics. */
  training: boolean;
  /** Indices of layers whose BatchNorm runs on its statistics and keeps them, although training. */
  frozenLayers?: ReadonlySet<number>;
  /** Filled while training: new running statistics by parameter name. */
  statistics: Params;
}

/** One input, or several for a Concat. */
export type Block = (x: tf.Tensor4D, pass: Pass) => tf.Tensor4D;

/** Collects the parameters of a network while its blocks are built. */
export type Declare = (name: string, shape: number[], kind: ParameterKind, start: ParameterSpec['start']) => void;

/**
 * CBS: convolution without bias and padding k//2, BatchNorm, SiLU.
 * When the parameters hold `NAME.conv.bias` the BatchNorm has been folded into the convolution (fold.ts).
 */
export function conv(declare: Declare, name: string, from: number, to: number, k = 1, stride = 1): Block {
  const layer = convWithHalf(declare, name, { from, to, k, stride, half: false });
  return (x, pass) => layer(x, pass).y;
}

/** The same; with `half` the second half of its channels comes once more as a tensor of its own. */
function convWithHalf(
  declare: Declare,
  name: string,
  { from, to, k, stride, half }: { from: number; to: number; k: number; stride: number; half: boolean },
): (x: tf.Tensor4D, pass: Pass) => { y: tf.Tensor4D; half?: tf.Tensor4D } {
  declare(`${name}.conv.weight`, [k, k, from, to], 'weight', { fanIn: k * k * from });
  declare(`${name}.bn.weight`, [to], 'bn', { value: 1 });
  declare(`${name}.bn.bias`, [to], 'bias', { value: 0 });
  declare(`${name}.bn.running_mean`, [to], 'mean', { value: 0 });
  declare(`${name}.bn.running_var`, [to], 'variance', { value: 1 });
  const layer = Number(name.split('.')[1]);
  const withHalf = (y: tf.Tensor4D) => ({ y, half: half ? secondHalf(y) : undefined });
  return (x, { params, training, frozenLayers, statistics }) => {
    const z = conv2d(x, params[`${name}.conv.weight`], stride); // [B, H/stride, W/stride, to]
    const bias = params[`${name}.conv.bias`];
    if (bias) return withHalf(silu(biasAdd(z, bias)));
    const norm: BatchNorm = {
      gamma: params[`${name}.bn.weight`],
      beta: params[`${name}.bn.bias`],
      mean: params[`${name}.bn.running_mean`],
      variance: params[`${name}.bn.running_var`],
      epsilon: BN_EPS,
      momentum: BN_MOMENTUM,
    };
    if (!training || frozenLayers?.has(layer)) return withHalf(silu(onStatistics(z, norm)));
    const out = batchNormSilu(z, norm, half);
    statistics[`${name}.bn.running_mean`] = out.mean;
    statistics[`${name}.bn.running_var`] = out.variance;
    return out;
  };
}

/** BatchNorm on its running statistics. */
function onStatistics(x: tf.Tensor4D, { gamma, beta, mean, variance, epsilon }: BatchNorm): tf.Tensor4D {
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon))); // [C]
  return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(mean, scale)));
}

/** 1x1 convolution with bias: the end of a branch of the head. */
export function plainConv(declare: Declare, name: string, from: number, to: number, bias: number): Block {
  declare(`${name}.weight`, [1, 1, from, to], 'weight', { fanIn: from });
  declare(`${name}.bias`, [to], 'bias', { value: bias });
  return (x, { params }) => biasAdd(conv2d(x, params[`${name}.weight`]), params[`${name}.bias`]);
}

/** Two 3x3 CBS of the same width, with a residual when asked for. */
export function bottleneck(declare: Declare, name: string, channels: number, shortcut: boolean): Block {
  const cv1 = conv(declare, `${name}.cv1`, channels, channels, 3);
  const cv2 = conv(declare, `${name}.cv2`, channels, channels, 3);
  return (x, pass) => {
    const y = cv2(cv1(x, pass), pass);
    return shortcut ? tf.add(x, y) : y;
  };
}

/** 1x1 CBS; bottlenecks, each fed by the last, start from its second half; concat of it and of theirs; 1x1 CBS. */
export function c2f(
  declare: Declare,
  name: string,
  {
    from,
    to,
    hidden,
    repeats,
    shortcut,
  }: { from: number; to: number; hidden: number; repeats: number; shortcut: boolean },
): Block {
  const cv1 = convWithHalf(declare, `${name}.cv1`, { from, to: 2 * hidden, k: 1, stride: 1, half: true });
  const cv2 = conv(declare, `${name}.cv2`, (2 + repeats) * hidden, to);
  const m = Array.from({ length: repeats }, (_, i) => bottleneck(declare, `${name}.m.${i}`, hidden, shortcut));
  return (x, pass) => {
    const { y, half } = cv1(x, pass);
    const parts = [y];
    let from = half!;
    for (const block of m) {
      from = block(from, pass);
      parts.push(from);
    }
    return cv2(tf.concat(parts, -1), pass);
  };
}

/** 1x1 CBS to half; three 5x5 max-pools in a row (padding counts as −infinity); concat of 4; 1x1 CBS. */
export function sppf(declare: Declare, name: string, from: number, to: number, hidden: number): Block {
  const cv1 = conv(declare, `${name}.cv1`, from, hidden);
  const cv2 = conv(declare, `${name}.cv2`, 4 * hidden, to);
  return (x, pass) => {
    const y = cv1(x, pass);
    const p1 = maxPool5(y); //  5x5
    const p2 = maxPool5(p1); // 9x9
    const p3 = maxPool5(p2); // 13x13
    return cv2(tf.concat([y, p1, p2, p3], -1), pass);
  };
}
