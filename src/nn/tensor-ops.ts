/**
 * Interpreter of the operations with tensors of TensorFlow.js, for training and inference: eager, traced, and on WebAssembly.
 * It does not keep tensors, except new running statistics.
 */
import * as tf from '@tensorflow/tfjs-core';
import { depthwiseConv2d } from './depthwise.js';
import { expectedValues } from './distances.js';
import { type BatchNorm, batchNorm, batchNormSilu, type Normalized, secondHalf } from './fused.js';
import { biasAdd, conv2d, maxPool5, silu, upsample2x } from './kernels.js';
import { BN_EPS, BN_MOMENTUM, type Conv, type Ops } from './ops.js';
import type { Params } from './parameters.js';
import { type Across, batchNormAcross } from './sync-norm.js';

/** Mode of BatchNorm. */
export interface TensorMode {
  /** BatchNorm uses the statistics of the batch and updates the running statistics. Default: false. */
  training?: boolean;
  /** Indices of layers whose BatchNorm uses its running statistics unchanged, also in training. */
  frozenLayers?: ReadonlySet<number>;
  /** In training: the statistics are those of a batch of which the input is a part. */
  across?: Across;
}

/** Values are [B, H, W, C] or [B, A, C]. */
export class TensorOps implements Ops<tf.Tensor> {
  /** In training: new running statistics by parameter name. */
  readonly statistics: Params = {};
  private layer = -1;

  /**
   * @param params by names in a checkpoint; if `NAME.conv.bias` is present, the BatchNorm of NAME was folded (fold.ts)
   */
  constructor(
    private readonly params: Params,
    private readonly mode: TensorMode = {},
  ) {}

  begin(layer: number): void {
    this.layer = layer;
  }

  conv(x: tf.Tensor, name: string, conv: Conv): tf.Tensor {
    return this.convNormAct(x, name, conv, false).whole;
  }

  convAndHalf(x: tf.Tensor, name: string, conv: Conv): { whole: tf.Tensor; half: tf.Tensor } {
    const { whole, half } = this.convNormAct(x, name, conv, true);
    return { whole, half: half ?? secondHalf(whole as tf.Tensor4D) };
  }

  /** Convolution, BatchNorm, SiLU; `half` only if a fused op computes it. */
  private convNormAct(
    x: tf.Tensor,
    name: string,
    { stride, depthwise, activation = true }: Conv,
    withHalf: boolean,
  ): { whole: tf.Tensor; half?: tf.Tensor } {
    const z = (depthwise ? depthwiseConv2d : conv2d)(x, this.params[`${name}.conv.weight`], stride);
    const bias = this.params[`${name}.conv.bias`];
    const active = (y: tf.Tensor) => ({ whole: activation ? silu(y) : y });
    if (bias) return active(biasAdd(z, bias));
    const norm = this.norm(name);
    if (!this.mode.training || this.mode.frozenLayers?.has(this.layer)) return active(onStatistics(z, norm));
    const { across } = this.mode;
    const { y, half, mean, variance }: Normalized = across
      ? normAcross(z, norm, across, activation)
      : activation
        ? batchNormSilu(z, norm, withHalf)
        : batchNorm(z, norm);
    this.statistics[`${name}.bn.running_mean`] = mean;
    this.statistics[`${name}.bn.running_var`] = variance;
    return { whole: y, half };
  }

  private norm(name: string): BatchNorm {
    return {
      gamma: this.params[`${name}.bn.weight`],
      beta: this.params[`${name}.bn.bias`],
      mean: this.params[`${name}.bn.running_mean`],
      variance: this.params[`${name}.bn.running_var`],
      epsilon: BN_EPS,
      momentum: BN_MOMENTUM,
    };
  }

  plainConv(x: tf.Tensor, name: string): tf.Tensor {
    const w = this.params[`${name}.weight`];
    return biasAdd(conv2d(x, w, 1, w.shape[0] >> 1, { precise: true }), this.params[`${name}.bias`]);
  }

  maxPool5(x: tf.Tensor): tf.Tensor {
    return maxPool5(x);
  }

  upsample2x(x: tf.Tensor): tf.Tensor {
    return upsample2x(x);
  }

  attend(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, factor: number): tf.Tensor {
    const [qs, ks, vs] = [q, k, v].map((x) => {
      const [b, h, w, c] = x.shape as [number, number, number, number];
      return tf.reshape(x, [b, h * w, c]);
    });
    const weights = tf.softmax(tf.mul(tf.matMul(qs, ks, false, true), factor)); // [B, HW, HW]
    return tf.reshape(tf.matMul(weights, vs), v.shape);
  }

  cells(maps: tf.Tensor[]): tf.Tensor {
    const rows = maps.map((map) => {
      const [b, h, w, c] = map.shape as [number, number, number, number];
      return tf.reshape(map, [b, h * w, c]);
    });
    return tf.concat(rows, 1);
  }

  concat(xs: tf.Tensor[]): tf.Tensor {
    return tf.concat(xs, -1);
  }

  split(x: tf.Tensor, channels: number[]): tf.Tensor[] {
    return tf.split(x, channels, -1);
  }

  add(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
    return tf.add(a, b);
  }

  sub(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
    return tf.sub(a, b);
  }

  mul(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
    return tf.mul(a, b);
  }

  scale(x: tf.Tensor, factor: number): tf.Tensor {
    return tf.mul(x, factor);
  }

  sigmoid(x: tf.Tensor): tf.Tensor {
    return tf.sigmoid(x);
  }

  expectation(x: tf.Tensor, _name: string, sides: number, bins: number): tf.Tensor {
    const [b, a] = x.shape as [number, number];
    return tf.reshape(expectedValues(x, bins), [b, a, sides]);
  }
}

function normAcross(x: tf.Tensor4D, norm: BatchNorm, across: Across, activation: boolean): Normalized {
  const { y, ...statistics } = batchNormAcross(x, norm, across);
  return { y: activation ? silu(y) : y, ...statistics };
}

/** BatchNorm with its running statistics. */
function onStatistics(x: tf.Tensor, { gamma, beta, mean, variance, epsilon }: BatchNorm): tf.Tensor {
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon))); // [C]
  return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(mean, scale)));
}
