/**
 * The project's own network as a detector: BatchNorm is folded into the convolutions, the input is uint8, the output are
 * decoded predictions and optional additional results. The weights can be replaced (validation during training).
 */
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
import type {
  Also,
  Candidates,
  HostTensors,
  NetworkRunner,
  RunnerOptions,
  RunOptions,
  Tensors,
} from './network-runner.js';
import { NetworkSession } from './network-session.js';

/** Options of the project's network as a detector. */
export interface DetectorOptions {
  /** bfloat16 convolutions on the native engine: faster, less accurate. Default: false. */
  half?: boolean;
  /** Test-time augmentation (tta.ts). Default: false. */
  augment?: boolean;
  /** Name of the engine. Default: that of the loaded TensorFlow. */
  engine?: string;
  /** Maximum number of predictions in the queue of the native engine; further ones are rejected. Default: 64. */
  maxWaiting?: number;
  /** Maximum number of predictions that the native engine computes at the same time. Default: 1. */
  atOnce?: number;
  /** Default: a TensorFlow session if TensorFlow is loaded, else TensorFlow.js. */
  runner?: Runner;
  /** Name of the model, for messages. */
  where?: string;
}

/** NetworkSession or NetworkTfjs. */
export type Runner = new <I extends Tensors, O extends Tensors>(
  network: Network,
  options: RunnerOptions<I, O>,
) => NetworkRunner<I, O>;

/** @returns the runner for the engine in use */
export async function chosenRunner(): Promise<Runner> {
  return loadedTensorflow() ? NetworkSession : (await import('./network-tfjs.js')).NetworkTfjs;
}

/** Weights without a checkpoint, with the description of their network. */
export interface Weights {
  spec: ModelSpec;
  /** Unfolded, as in a checkpoint. */
  weights: ReadonlyMap<string, NamedArray>;
  names: string[];
}

/**
 * Creates a detector.
 * @param source a loaded model file, or weights with the description of their network
 * @throws UserError 'wrong-weights' when weights and description do not match; 'no-half' when the engine has no bfloat16
 */
export async function createDetector(
  source: Checkpoint | Weights,
  options: DetectorOptions = {},
): Promise<NetworkDetector> {
  const spec = 'spec' in source ? source.spec : specOf(source, options.where);
  const runner = options.runner ?? (await chosenRunner());
  const detector = new NetworkDetector(buildNetwork(spec), source.names, { ...options, runner });
  detector.setWeights(source.weights);
  return detector;
}

type Shape = [batch: number, height: number, width: number];

/** The network as a detector. @typeParam I, O arguments and results of `also` */
export class NetworkDetector<I extends Tensors = Tensors, O extends Tensors = Tensors> implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly engine: string;
  readonly atOnce?: number;
  private readonly runner: NetworkRunner<I, O>;
  /** Kernels of the first layers, into which the factor 1/255 of the input is folded: saves a pass over the pixels. */
  private readonly scaled: readonly string[];

  /**
   * @param names missing names are replaced by `class<number>`
   * @param also additional computation on the head's output, for `inferWith`
   * @throws UserError 'no-half' when the engine has no bfloat16
   */
  constructor(
    network: Network,
    names: readonly string[],
    { half = false, augment = false, engine, maxWaiting, atOnce, runner = NetworkSession }: DetectorOptions = {},
    also?: Also<I, O>,
  ) {
    const { spec } = network;
    if (half && runner !== NetworkSession) throw noHalf(engine);
    this.atOnce = atOnce;
    this.names = Array.from({ length: spec.nc }, (_, i) => names[i] ?? `class${i}`);
    this.stride = Math.max(32, spec.stride);
    this.engine = engine ?? engineName(half);
    // The padding value of test-time augmentation is in 0..1, so the input must be, too.
    this.scaled = augment ? [] : imageKernels(spec);
    const scale = this.scaled.length ? 1 : 1 / 255;
    this.runner = new runner(network, { half, augment, also, maxWaiting, atOnce, scale });
    if (this.runner.runAbove) this.inferAbove = this.above.bind(this);
  }

  /** @param weights unfolded, as in a checkpoint @throws UserError 'wrong-weights' */
  setWeights(weights: ReadonlyMap<string, NamedArray>): void {
    this.runner.setWeights((parameter) => {
      const values = tensorValues(foldedArray(weights, parameter.name), parameter);
      return this.scaled.includes(parameter.name) ? values.map((w) => w / 255) : values;
    });
  }

  /** Undefined with test-time augmentation. */
  readonly inferAbove?: Detector['inferAbove'];

  private async above(
    images: Uint8Array,
    shape: Shape,
    minScore: number,
    options?: RunOptions,
  ): Promise<InferOutput[]> {
    const found = await this.runner.runAbove!(this.input(images, shape), minScore, options);
    return outputsOf(found, shape[0]);
  }

  async infer(images: Uint8Array, shape: Shape, options?: RunOptions): Promise<InferOutput> {
    return inferOutput(await this.runner.run(this.input(images, shape), options));
  }

  /**
   * @param extra arguments of `also`
   * @returns predictions [1, 4 + K, n] of each image with a score above `minScore`, and the results of `also`
   */
  async inferWith(
    images: Uint8Array,
    shape: Shape,
    extra: HostTensors<I>,
    minScore: number,
  ): Promise<{ outputs: InferOutput[]; also: HostTensors<O> }> {
    const { found, also } = await this.runner.runWith(this.input(images, shape), extra, minScore);
    return { outputs: outputsOf(found, shape[0]), also };
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

/** Candidates of each image as an output [1, 4 + K, n]. */
function outputsOf({ rows: { data, shape }, images }: Candidates, batch: number): InferOutput[] {
  const width = shape[1];
  const counts = new Array<number>(batch).fill(0);
  for (const image of images) counts[image]++;
  let first = 0;
  return counts.map((count) => {
    const columns = new Float32Array(width * count);
    for (let i = 0; i < count; i++)
      for (let k = 0; k < width; k++) columns[k * count + i] = data[(first + i) * width + k];
    first += count;
    return { data: columns, shape: [1, width, count] };
  });
}

function inferOutput({ data, shape }: HostTensor<'float32'>): InferOutput {
  return { data, shape: [...shape] as InferOutput['shape'] };
}

function noHalf(engine = 'TensorFlow.js'): UserError {
  return new UserError(
    'no-half',
    `half=true needs the native engine; the engine in use is ${engine}`,
    'run: yolo setup',
  );
}

function engineName(half: boolean): string {
  const tensorflow = loadedTensorflow();
  if (!tensorflow) return 'TensorFlow.js';
  return `TensorFlow ${tensorflow.version} (${tensorflow.gpu ? 'GPU' : 'CPU'}${half ? ', bfloat16' : ''})`;
}
