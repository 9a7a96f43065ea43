/**
 * The project's own network as a detector: weights are set, and may be set again; BatchNorm is folded, images go in as
 * bytes, decoded predictions come out, and what else is wanted from the same pass.
 */
import * as tf from '@tensorflow/tfjs-core';
import { nativeInfo } from '../../backend/native.js';
import { UserError } from '../../core/errors.js';
import type { Checkpoint, NamedArray } from '../../core/types.js';
import type { HostTensor } from '../../graph/host-tensor.js';
import { loadedTensorflow } from '../../graph/tensorflow.js';
import { foldedArray, imageKernels } from '../../nn/fold.js';
import { tensorValues } from '../../nn/layout.js';
import { buildNetwork, type Network } from '../../nn/model.js';
import type { ModelSpec } from '../../nn/model-yaml.js';
import { specOf } from '../../nn/weights.js';
import type { Detector, InferOutput } from '../detector.js';
import type { Also, HostTensors, NetworkRunner, Tensors } from './network-runner.js';
import { NetworkSession } from './network-session.js';
import { NetworkTfjs } from './network-tfjs.js';

export interface DetectorOptions {
  /** bfloat16 convolutions on the native engine (faster, a little less exact). */
  half?: boolean;
  /** Test-time augmentation: three scales, one of them mirrored. */
  augment?: boolean;
  /** What to call the engine; else found out. */
  engine?: string;
  /** Name of the model, for messages. */
  where?: string;
}

/** Weights that aren't in a Checkpoint: their description is given. */
export interface Weights {
  spec: ModelSpec;
  /** Unfolded, as in a checkpoint. */
  weights: ReadonlyMap<string, NamedArray>;
  names: string[];
}

/**
 * @param source a loaded model file, or weights with the description of their network
 * @throws UserError when weights and description don't fit, or half is asked of an engine without it
 */
export function createDetector(source: Checkpoint | Weights, options: DetectorOptions = {}): NetworkDetector {
  const spec = 'spec' in source ? source.spec : specOf(source, options.where);
  const detector = new NetworkDetector(buildNetwork(spec), source.names, options);
  detector.setWeights(source.weights);
  return detector;
}

type Shape = [batch: number, height: number, width: number];

/** @typeParam I, O what `also` takes and gives */
export class NetworkDetector<I extends Tensors = Tensors, O extends Tensors = Tensors> implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly engine: string;
  private readonly runner: NetworkRunner<I, O>;
  /** Kernels that the factor 1/255 of the images' values is folded into, which saves a pass over their pixels. */
  private readonly scaled: readonly string[];

  /**
   * @param names those that are missing are made up from the class's number
   * @param also what is to be computed from the head in the same pass, when `inferWith` is called
   * @throws UserError 'no-half'
   */
  constructor(
    network: Network,
    names: readonly string[],
    { half = false, augment = false, engine }: DetectorOptions = {},
    also?: Also<I, O>,
  ) {
    const { spec } = network;
    if (half && tf.getBackend() !== 'tensorflow') throw noHalf();
    this.names = Array.from({ length: spec.nc }, (_, i) => names[i] ?? `class${i}`);
    this.stride = Math.max(32, spec.stride);
    this.engine = engine ?? engineName(half);
    // Padding of test-time augmentation is given in 0..1, so images have to be in it, too.
    this.scaled = augment ? [] : imageKernels(spec);
    const options = { half, also, scale: this.scaled.length ? 1 : 1 / 255 };
    const sessions = tf.getBackend() === 'tensorflow' && loadedTensorflow() !== undefined;
    this.runner =
      sessions && !augment ? new NetworkSession(network, options) : new NetworkTfjs(network, { ...options, augment });
  }

  /** @param weights unfolded, as in a checkpoint @throws UserError 'wrong-weights' */
  setWeights(weights: ReadonlyMap<string, NamedArray>): void {
    this.runner.setWeights((parameter) => {
      const values = tensorValues(foldedArray(weights, parameter.name), parameter);
      return this.scaled.includes(parameter.name) ? values.map((w) => w / 255) : values;
    });
  }

  async infer(images: Uint8Array, shape: Shape): Promise<InferOutput> {
    return inferOutput(await this.runner.run(this.input(images, shape)));
  }

  /** @returns predictions, and what `also` gives */
  async inferWith(
    images: Uint8Array,
    shape: Shape,
    extra: HostTensors<I>,
  ): Promise<InferOutput & { also: HostTensors<O> }> {
    const { output, also } = await this.runner.runWith(this.input(images, shape), extra);
    return { ...inferOutput(output), also };
  }

  private input(images: Uint8Array, [b, h, w]: Shape): HostTensor<'uint8'> {
    if (images.length !== b * h * w * 3 || h % this.stride || w % this.stride)
      throw new Error(
        `expected ${b * h * w * 3} bytes, sides in multiples of ${this.stride}; got ${images.length} for ${b} x ${h} x ${w}`,
      );
    return { dtype: 'uint8', shape: [b, h, w, 3], data: images };
  }

  dispose(): void {
    this.runner.dispose();
  }
}

function inferOutput({ data, shape }: HostTensor<'float32'>): InferOutput {
  return { data, shape: [...shape] as InferOutput['shape'] };
}

function noHalf(): UserError {
  return new UserError(
    'no-half',
    `half=true needs the native engine; '${tf.getBackend()}' runs here`,
    'run: yolo setup',
  );
}

function engineName(half: boolean): string {
  if (tf.getBackend() !== 'tensorflow') return tf.getBackend();
  const info = nativeInfo();
  return `TensorFlow ${info?.version ?? ''} (${info?.gpu ? 'GPU' : 'CPU'}${half ? ', bfloat16' : ''})`;
}
