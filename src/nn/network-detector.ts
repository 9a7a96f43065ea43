/**
 * The project's own network as a detector: weights are set, and may be set again; BatchNorm is folded, images go in as
 * bytes, decoded predictions come out, and what else is wanted from the same pass. On the native engine one compiled graph
 * for each shape of batch, which serves all weights; on wasm the same operations one by one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.js';
import type { Checkpoint, NamedArray } from '../core/types.js';
import { compile } from '../graph/compile.js';
import { type Bytes, handOver } from '../graph/session.js';
import type { Tree } from '../graph/tree.js';
import { decode } from './decode.js';
import type { Detector, InferOutput } from './detector.js';
import { foldedArray, foldedParameters, imageKernels } from './fold.js';
import type { HeadOutput } from './head.js';
import { buildNetwork, type Network, type ParameterSpec, type Params, toTensors } from './model.js';
import type { ModelSpec } from './model-yaml.js';
import { nativeInfo } from './native.js';
import { mergedScales } from './tta.js';
import { specOf } from './weights.js';

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

type Tensors = Tree<tf.Tensor>;
type Shape = [batch: number, height: number, width: number];

interface Outputs<O> {
  output: tf.Tensor;
  also?: O;
}

/** The compiled graph. */
interface Run<O> {
  (inputs: { images: Bytes; params?: Params; extra?: Tensors }): Outputs<O>;
  dispose(): void;
}

/** Inputs of the graph. Weights that are left out are captured instead, and become constants. */
interface Inputs<I> {
  images: tf.Tensor;
  params?: Params;
  extra?: I;
}

/** @typeParam I, O what `also` takes and gives */
export class NetworkDetector<I extends Tensors = Tensors, O extends Tensors = Tensors> implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly engine: string;
  private params: Params = {};
  private readonly run: Run<O>;
  /** Kernels that the factor 1/255 of the images' values is folded into, which saves a pass over their pixels. */
  private readonly scaled: readonly string[];

  /**
   * @param names those that are missing are made up from the class's number
   * @param also what is to be computed from the head in the same pass, when `inferWith` is called
   * @throws UserError 'no-half'
   */
  constructor(
    private readonly network: Network,
    names: readonly string[],
    private readonly options: DetectorOptions = {},
    private readonly also?: (head: HeadOutput, extra: I) => O,
  ) {
    const { half = false, augment, engine } = options;
    const { spec } = network;
    if (half && tf.getBackend() !== 'tensorflow') throw noHalf();
    this.names = Array.from({ length: spec.nc }, (_, i) => names[i] ?? `class${i}`);
    this.stride = Math.max(32, spec.stride);
    this.engine = engine ?? engineName(half);
    // Padding of test-time augmentation is given in 0..1, so images have to be in it, too.
    this.scaled = augment ? [] : imageKernels(spec);
    const graph = (inputs: unknown) => this.graph(inputs as Inputs<I>) as { output: tf.Tensor };
    this.run = compile<Tensors, { output: tf.Tensor }>(graph, { name: 'predict', half }) as unknown as Run<O>;
  }

  private graph({ images, params = this.params, extra }: Inputs<I>): Outputs<O> {
    const { network, options, scaled, also } = this;
    const x = (scaled.length ? images : tf.mul(images, 1 / 255)) as tf.Tensor4D;
    const forward = (input: tf.Tensor4D) => network.forward(input, params);
    if (options.augment) return { output: mergedScales(x, forward, network.spec.stride) };
    const head = forward(x);
    const output = decode(head);
    return extra && also ? { output, also: also(head, extra) } : { output };
  }

  /**
   * Each weight is folded and handed to the engine before the next is read.
   * @param weights unfolded, as in a checkpoint @throws UserError 'wrong-weights'
   */
  setWeights(weights: ReadonlyMap<string, NamedArray>): void {
    tf.dispose(this.params);
    this.params = {};
    if (this.options.half) this.run.dispose(); // the old ones are constants in its graphs
    try {
      for (const parameter of foldedParameters(this.network.parameters)) this.setWeight(parameter, weights);
    } catch (error) {
      tf.dispose(this.params);
      throw error;
    }
  }

  private setWeight(parameter: ParameterSpec, weights: ReadonlyMap<string, NamedArray>): void {
    const { name } = parameter;
    const array = foldedArray(weights, name);
    if (array && this.scaled.includes(name)) array.data = array.data.map((w) => w / 255);
    const made = toTensors(new Map(array ? [[name, array]] : []), [parameter]);
    handOver(made[name]);
    Object.assign(this.params, made);
  }

  async infer(images: Uint8Array, shape: Shape): Promise<InferOutput> {
    const { output } = this.compute(images, shape);
    return read(output);
  }

  /** @returns predictions, and what `also` gives, which the caller disposes of */
  async inferWith(images: Uint8Array, shape: Shape, extra: I): Promise<InferOutput & { also: O }> {
    const { output, also } = this.compute(images, shape, extra);
    return { ...(await read(output)), also: also as O };
  }

  private compute(images: Uint8Array, [b, h, w]: Shape, extra?: I): Outputs<O> {
    if (images.length !== b * h * w * 3 || h % this.stride || w % this.stride)
      throw new Error(
        `expected ${b * h * w * 3} bytes, sides in multiples of ${this.stride}; got ${images.length} for ${b} x ${h} x ${w}`,
      );
    // Captured, weights become constants, whose rounding to bfloat16 is done once. As inputs they are held once for all
    // shapes, and a graph is ready in half the time; it runs as fast.
    const params = this.options.half ? {} : { params: this.params };
    return this.run({ images: { data: images, shape: [b, h, w, 3] }, ...params, ...(extra && { extra }) });
  }

  dispose(): void {
    this.run.dispose();
    tf.dispose(this.params);
  }
}

async function read(output: tf.Tensor): Promise<InferOutput> {
  try {
    return { data: (await output.data()) as Float32Array, shape: [...output.shape] as InferOutput['shape'] };
  } finally {
    output.dispose();
  }
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
