/** What runs the project's network: a session of TensorFlow (network-session.ts), or tfjs (network-tfjs.ts). */
import type * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../../graph/host-tensor.js';
import type { RunOptions } from '../../graph/session.js';
import type { HeadOutput } from '../../nn/head.js';
import type { ParameterSpec } from '../../nn/parameters.js';

export type Tensors = Record<string, tf.Tensor>;

/** The same with values in JavaScript's memory. */
export type HostTensors<T extends Tensors> = { [K in keyof T]: HostTensor };

/**
 * What is to be computed from the head in the same pass as the predictions: the loss, the assignment. Pure, and traced
 * where the runner has graphs.
 */
export type Also<I extends Tensors, O extends Tensors> = (head: HeadOutput, extra: I) => O;

export interface RunnerOptions<I extends Tensors, O extends Tensors> {
  /** Feature maps in bfloat16. */
  half: boolean;
  /** What images are multiplied by before the network. */
  scale: number;
  also?: Also<I, O>;
  /** Test-time augmentation: predictions are those of three scales. */
  augment?: boolean;
  /** Runs that may wait for their turn; one more is refused. */
  maxWaiting?: number;
}

/** Anchors of a batch, in the order of image, then anchor. */
export interface Candidates {
  /** [N, 4 + K] cx cy w h in pixels of the input, K scores 0..1 */
  rows: HostTensor<'float32'>;
  /** [N] the image of each */
  images: Int32Array;
}

/** Images are bytes [B, H, W, 3], RGB; outputs are predictions [B, 4 + K, A]. */
export interface NetworkRunner<I extends Tensors, O extends Tensors> {
  /** @param values of a parameter (BatchNorm folded, kernels HWIO), asked for once each */
  setWeights(values: (parameter: ParameterSpec) => Float32Array): void;
  run(images: HostTensor<'uint8'>, options?: RunOptions): Promise<HostTensor<'float32'>>;
  /**
   * Only the anchors with a score above `minScore`: less to copy, where the runner can select. Undefined where it can't, and
   * with `augment`.
   */
  runAbove?(images: HostTensor<'uint8'>, minScore: number, options?: RunOptions): Promise<Candidates>;
  /** With what `also` gives. */
  runWith(
    images: HostTensor<'uint8'>,
    extra: HostTensors<I>,
  ): Promise<{ output: HostTensor<'float32'>; also: HostTensors<O> }>;
  dispose(): void;
}

export type { RunOptions };
