/** Parameters and running statistics of a network. */
import type * as tf from '@tensorflow/tfjs-core';
import { hashString, rng } from '../core/rng.js';
import type { NamedArray } from '../core/types.js';

/**
 * weight: convolution kernel; bn: BatchNorm's γ; bias: BatchNorm's β or a convolution's bias; mean, variance: running
 * statistics, which are not trained.
 */
export type ParameterKind = 'weight' | 'bn' | 'bias' | 'mean' | 'variance';

/** Specification of a parameter. */
export interface ParameterSpec {
  /** As in a checkpoint, e.g. `model.2.m.0.cv1.conv.weight`. */
  name: string;
  /** Of the tensor; kernels HWIO. */
  shape: number[];
  kind: ParameterKind;
  /** Initialization: constant, or uniform in ±1/√fanIn (PyTorch's default: Kaiming uniform with a = √5, He et al. 2015). */
  start: { value: number } | { fanIn: number };
}

/** Values by parameter name; kernels HWIO. */
export type Arrays = Record<string, NamedArray>;

/** Tensors by parameter name. */
export type Params = Record<string, tf.Tensor>;

/** Number of elements. */
export function sizeOf({ shape }: { shape: readonly number[] }): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * Sorts parameters by name in natural order (numbers by value): for YOLOv8 the order of a PyTorch state dict, for YOLO11
 * nearly. The order of the parameters of one convolution is kept.
 */
export function inOrder(parameters: readonly ParameterSpec[]): ParameterSpec[] {
  const stem = ({ name }: ParameterSpec) => name.replace(/(\.(conv|bn))?\.\w+$/, '');
  const { compare } = new Intl.Collator('en', { numeric: true });
  return [...parameters].sort((a, b) => compare(stem(a), stem(b)));
}

/** Initial value of a parameter. Each has its own random stream, keyed by seed and name. */
export function initialValue({ name, shape, start }: ParameterSpec, seed: number): NamedArray {
  const size = sizeOf({ shape });
  if ('value' in start) return { shape, data: new Float32Array(size).fill(start.value) };
  const bound = 1 / Math.sqrt(start.fanIn);
  const random = rng(seed, hashString(name));
  return { shape, data: Float32Array.from({ length: size }, () => random.uniform(-bound, bound)) };
}
