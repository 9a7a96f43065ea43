/** The network in eager execution of TensorFlow.js: on WebAssembly, and on the binary of tfjs-node. */
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../../graph/host-tensor.js';
import { foldedParameters } from '../../nn/fold.js';
import { decode, forward } from '../../nn/forward.js';
import type { Network, Params } from '../../nn/model.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import type { InferOutput } from '../detector.js';
import { predictAugmented } from '../tta.js';
import { runInBatches } from './fixed-batch.js';
import type { Candidates, HostTensors, NetworkRunner, RunnerOptions, Tensors } from './network-runner.js';

interface Outputs<O> {
  output: tf.Tensor;
  also?: O;
}

/** Runs the network eagerly. */
export class NetworkTfjs<I extends Tensors, O extends Tensors> implements NetworkRunner<I, O> {
  private params: Params = {};

  constructor(
    private readonly network: Network,
    private readonly options: RunnerOptions<I, O>,
  ) {}

  private compute({ data, shape }: HostTensor<'uint8'>, extra?: I): Outputs<O> {
    const { network, options, params } = this;
    const work = (): Outputs<O> => {
      const bytes = tf.tensor(Float32Array.from(data), [...shape]);
      const x = (options.scale === 1 ? bytes : tf.mul(bytes, options.scale)) as tf.Tensor4D;
      if (options.augment)
        return { output: predictAugmented(x, (input) => forward(network, input, params), network.spec.stride) };
      const head = forward(network, x, params);
      const output = decode(head);
      return extra && options.also ? { output, also: options.also(head, extra) } : { output };
    };
    return tf.tidy(work as unknown as () => tf.Tensor) as unknown as Outputs<O>;
  }

  setWeights(values: (parameter: ParameterSpec) => Float32Array): void {
    tf.dispose(this.params);
    this.params = {};
    for (const parameter of foldedParameters(this.network.parameters))
      this.params[parameter.name] = tf.tensor(values(parameter), parameter.shape);
  }

  async run({ data, shape: [b, h, w] }: HostTensor<'uint8'>): Promise<HostTensor<'float32'>> {
    const output = await runInBatches(data, [b, h, w], 1, async (one, [, height, width]) => {
      const { output } = this.compute({ dtype: 'uint8', shape: [1, height, width, 3], data: one });
      const { data, shape } = (await read(output)) as HostTensor<'float32'>;
      return { data, shape: [...shape] as InferOutput['shape'] };
    });
    return { dtype: 'float32', ...output };
  }

  async runWith(images: HostTensor<'uint8'>, extra: HostTensors<I>, minScore: number) {
    const given = Object.entries<HostTensor>(extra).map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data as Float32Array, [...shape], dtype as 'float32'),
    ]);
    const fed = Object.fromEntries(given) as I;
    const { output, also } = this.compute(images, fed);
    tf.dispose({ ...fed });
    const rest = Object.entries<tf.Tensor>(also as O).map(async ([name, tensor]) => [name, await read(tensor)]);
    return {
      found: candidatesOf((await read(output)) as HostTensor<'float32'>, minScore),
      also: Object.fromEntries(await Promise.all(rest)) as HostTensors<O>,
    };
  }

  dispose(): void {
    tf.dispose(this.params);
  }
}

/** @param output [B, 4 + K, A] */
function candidatesOf({ data, shape: [batch, width, anchors] }: HostTensor<'float32'>, minScore: number): Candidates {
  const rows: number[] = [];
  const images: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let a = 0; a < anchors; a++) {
      const at = (k: number): number => data[(b * width + k) * anchors + a];
      let k = 4;
      while (k < width && !(at(k) > minScore)) k++;
      if (k === width) continue;
      for (k = 0; k < width; k++) rows.push(at(k));
      images.push(b);
    }
  const found = { dtype: 'float32', shape: [images.length, width], data: Float32Array.from(rows) } as const;
  return { rows: found, images: Int32Array.from(images) };
}

/** Reads a tensor and disposes it. */
async function read(tensor: tf.Tensor): Promise<HostTensor> {
  try {
    const data = await tensor.data();
    return { data, shape: [...tensor.shape], dtype: tensor.dtype } as HostTensor;
  } finally {
    tensor.dispose();
  }
}
