/** What a network keeps from one image to the next: its parameters and running statistics. */
import type * as tf from '@tensorflow/tfjs-core';
import { hashString, rng } from '../core/rng.js';
import type { NamedArray } from '../core/types.js';

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

/** Values by parameter name; kernels HWIO. */
export type Arrays = Record<string, NamedArray>;

/** Tensors by parameter name. */
export type Params = Record<string, tf.Tensor>;

/** Number of values. */
export function sizeOf({ shape }: { shape: readonly number[] }): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * By name, numbers in it as numbers: of YOLOv8 that is the order of a PyTorch state dict, of YOLO11 nearly so. Parameters of one convolution
 * stay as they stand.
 */
export function inOrder(parameters: readonly ParameterSpec[]): ParameterSpec[] {
  const stem = ({ name }: ParameterSpec) => name.replace(/(\.(conv|bn))?\.\w+$/, '');
  const { compare } = new Intl.Collator('en', { numeric: true });
  return [...parameters].sort((a, b) => compare(stem(a), stem(b)));
}

/** Fresh values. Each parameter has a random stream of its own, keyed by seed and name. */
export function startOf({ name, shape, start }: ParameterSpec, seed: number): NamedArray {
  const size = sizeOf({ shape });
  if ('value' in start) return { shape, data: new Float32Array(size).fill(start.value) };
  const bound = 1 / Math.sqrt(start.fanIn);
  const random = rng(seed, hashString(name));
  return { shape, data: Float32Array.from({ length: size }, () => random.uniform(-bound, bound)) };
}
