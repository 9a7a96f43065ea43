/**
 * The network as a detector: BatchNorm folded, decoding included, pictures in as bytes. On the native engine one compiled
 * graph for each shape of batch; on wasm the same operations one by one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.js';
import type { Checkpoint, NamedArray } from '../core/types.js';
import { compile, type Fed } from '../graph/compile.js';
import { decode } from './decode.js';
import type { Detector, InferOutput } from './detector.js';
import { foldBatchNorm, foldedParameters, foldForBytes } from './fold.js';
import { buildNetwork, type Network, type Params, toTensors } from './model.js';
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
export function createDetector(source: Checkpoint | Weights, options: DetectorOptions = {}): Detector {
  const spec = 'spec' in source ? source.spec : specOf(source, options.where);
  if (options.half && tf.getBackend() !== 'tensorflow')
    throw new UserError(
      'no-half',
      `half=true needs the native engine; '${tf.getBackend()}' runs here`,
      'run: yolo setup',
    );
  return new NetworkDetector(spec, source.weights, namesFor(source.names, spec.nc), options);
}

type Input = { images: tf.Tensor; params: Params };

class NetworkDetector implements Detector {
  readonly stride: number;
  readonly engine: string;
  private readonly params: Params;
  private readonly run: (images: Fed<tf.Tensor>) => tf.Tensor;
  private readonly release: () => void;

  constructor(
    spec: ModelSpec,
    weights: ReadonlyMap<string, NamedArray>,
    readonly names: string[],
    { half = false, augment = false, engine }: DetectorOptions,
  ) {
    const network = buildNetwork(spec);
    this.stride = Math.max(32, spec.stride);
    this.engine = engine ?? engineName(half);
    // Padding of test-time augmentation is given in 0..1, so pictures have to be in it, too.
    const { folded, scale } = augment
      ? { folded: foldBatchNorm(weights), scale: 1 / 255 }
      : foldForBytes(weights, spec);
    this.params = toTensors(folded, foldedParameters(network.parameters));
    const predict = (images: tf.Tensor, params: Params) =>
      predictions(network, params, scale === 1 ? images : tf.mul(images, scale), augment);
    const settings = { name: 'predict', half };
    if (half) {
      // Captured, the weights become constants of the graph, whose rounding to bfloat16 is done once.
      const run = compile((images: tf.Tensor) => predict(images, this.params), settings);
      this.run = run;
      this.release = () => run.dispose();
    } else {
      // As inputs they are held once for all shapes, and a graph is ready in half the time; it runs as fast.
      const run = compile(({ images, params }: Input) => predict(images, params), settings);
      this.run = (images) => run({ images, params: this.params });
      this.release = () => run.dispose();
    }
  }

  async infer(images: Uint8Array, shape: [batch: number, height: number, width: number]): Promise<InferOutput> {
    const [b, h, w] = shape;
    if (images.length !== b * h * w * 3 || h % this.stride || w % this.stride)
      throw new Error(
        `expected ${b * h * w * 3} bytes, sides in multiples of ${this.stride}; got ${images.length} for ${b} x ${h} x ${w}`,
      );
    const out = this.run({ data: images, shape: [b, h, w, 3] });
    try {
      const data = (await out.data()) as Float32Array;
      return { data, shape: [...out.shape] as InferOutput['shape'] };
    } finally {
      out.dispose();
    }
  }

  dispose(): void {
    this.release();
    tf.dispose(this.params);
  }
}

/**
 * @param x [B, H, W, 3] in the scale that the parameters are for
 * @returns [B, 4 + K, A]
 */
function predictions(network: Network, params: Params, x: tf.Tensor, augment: boolean): tf.Tensor {
  const one = (input: tf.Tensor4D) => network.forward(input, params);
  return augment ? mergedScales(x as tf.Tensor4D, one, network.spec.stride) : decode(one(x as tf.Tensor4D));
}

/** Names of all classes: those that a file lacks are numbered. */
function namesFor(names: readonly string[], nc: number): string[] {
  return Array.from({ length: nc }, (_, i) => names[i] ?? `class${i}`);
}

function engineName(half: boolean): string {
  if (tf.getBackend() !== 'tensorflow') return tf.getBackend();
  const info = nativeInfo();
  return `TensorFlow ${info?.version ?? ''} (${info?.gpu ? 'GPU' : 'CPU'}${half ? ', bfloat16' : ''})`;
}
