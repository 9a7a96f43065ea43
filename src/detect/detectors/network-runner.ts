/** The interface of what runs the project's network: a TensorFlow session (network-session.ts) or tfjs (network-tfjs.ts). */
import type * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../../graph/host-tensor.js';
import type { RunOptions } from '../../graph/session.js';
import type { HeadOutput } from '../../nn/head.js';
import type { ParameterSpec } from '../../nn/parameters.js';

/** Tensors by name. */
export type Tensors = Record<string, tf.Tensor>;

/** The same with values in JavaScript's memory. */
export type HostTensors<T extends Tensors> = { [K in keyof T]: HostTensor };

/**
 * An additional computation on the output of the head in the same pass, such as the loss or the assignment. A pure
 * function, which is traced by runners that use graphs.
 */
export type Also<I extends Tensors, O extends Tensors> = (head: HeadOutput, extra: I) => O;

/** Options of a runner. */
export interface RunnerOptions<I extends Tensors, O extends Tensors> {
  /** Feature maps in bfloat16. */
  half: boolean;
  /** Factor for the values 0..255 of images. */
  scale: number;
  also?: Also<I, O>;
  /** Test-time augmentation. */
  augment?: boolean;
  /** Maximum number of runs in the queue; further ones are rejected. */
  maxWaiting?: number;
  /** Maximum number of runs at the same time, where the engine can. */
  atOnce?: number;
}

/** Selected anchors of a batch, in the order of image, then anchor. */
export interface Candidates {
  /** [N, 4 + K] cx cy w h in pixels of the input, K scores 0..1 */
  rows: HostTensor<'float32'>;
  /** [N] index of the image */
  images: Int32Array;
}

/** Runs the network: images [B, H, W, 3] uint8 RGB → predictions [B, 4 + K, A]. */
export interface NetworkRunner<I extends Tensors, O extends Tensors> {
  /** @param values returns the values of a parameter (BatchNorm folded, kernels HWIO); called once for each */
  setWeights(values: (parameter: ParameterSpec) => Float32Array): void;
  run(images: HostTensor<'uint8'>, options?: RunOptions): Promise<HostTensor<'float32'>>;
  /** Returns only the anchors with a score above `minScore`, which copies less; undefined where not supported. */
  runAbove?(images: HostTensor<'uint8'>, minScore: number, options?: RunOptions): Promise<Candidates>;
  /** Returns the anchors with a score above `minScore`, and the results of `also`. */
  runWith(
    images: HostTensor<'uint8'>,
    extra: HostTensors<I>,
    minScore: number,
  ): Promise<{ found: Candidates; also: HostTensors<O> }>;
  dispose(): void;
}

export type { RunOptions };
