/**
 * The project's own network as a detector: weights are set, and may be set again; BatchNorm is folded, images go in as
 * bytes, decoded predictions come out, and what else is wanted from the same pass.
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

export interface DetectorOptions {
  /** bfloat16 convolutions on the native engine (faster, a little less exact). */
  half?: boolean;
  /** Test-time augmentation: three scales, one of them mirrored. */
  augment?: boolean;
  /** What to call the engine; else found out. */
  engine?: string;
  /** Predictions that may wait for their turn in the native engine; one more is refused. Default: 64. */
  maxWaiting?: number;
  /** What runs the network; default: a session of TensorFlow, or where there is none TensorFlow.js. */
  runner?: Runner;
  /** Name of the model, for messages. */
  where?: string;
}

/** NetworkSession or NetworkTfjs. */
export type Runner = new <I extends Tensors, O extends Tensors>(
  network: Network,
  options: RunnerOptions<I, O>,
) => NetworkRunner<I, O>;

/** What runs networks on the engine that is in use. */
export async function chosenRunner(): Promise<Runner> {
  return loadedTensorflow() ? NetworkSession : (await import('./network-tfjs.js')).NetworkTfjs;
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
    { half = false, augment = false, engine, maxWaiting, runner = NetworkSession }: DetectorOptions = {},
    also?: Also<I, O>,
  ) {
    const { spec } = network;
    if (half && runner !== NetworkSession) throw noHalf(engine);
    this.names = Array.from({ length: spec.nc }, (_, i) => names[i] ?? `class${i}`);
    this.stride = Math.max(32, spec.stride);
    this.engine = engine ?? engineName(half);
    // Padding of test-time augmentation is given in 0..1, so images have to be in it, too.
    this.scaled = augment ? [] : imageKernels(spec);
    const scale = this.scaled.length ? 1 : 1 / 255;
    this.runner = new runner(network, { half, augment, also, maxWaiting, scale });
    if (this.runner.runAbove) this.inferAbove = this.above.bind(this);
  }

  /** @param weights unfolded, as in a checkpoint @throws UserError 'wrong-weights' */
  setWeights(weights: ReadonlyMap<string, NamedArray>): void {
    this.runner.setWeights((parameter) => {
      const values = tensorValues(foldedArray(weights, parameter.name), parameter);
      return this.scaled.includes(parameter.name) ? values.map((w) => w / 255) : values;
    });
  }

  /** Not with test-time augmentation. */
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

/** Candidates image by image, as columns. */
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
  return new UserError('no-half', `half=true needs the native engine; ${engine} runs here`, 'run: yolo setup');
}

function engineName(half: boolean): string {
  const tensorflow = loadedTensorflow();
  if (!tensorflow) return 'TensorFlow.js';
  return `TensorFlow ${tensorflow.version} (${tensorflow.gpu ? 'GPU' : 'CPU'}${half ? ', bfloat16' : ''})`;
}
