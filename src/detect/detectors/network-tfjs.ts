/**
 * The network on tfjs: on WebAssembly, on tfjs-node's own binary, and for test-time augmentation. Where tfjs has graphs
 * one is compiled for each shape of batch.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type Bytes, compile } from '../../graph/compile.js';
import type { HostTensor } from '../../graph/host-tensor.js';
import type { Tree } from '../../graph/tree.js';
import { decode } from '../../nn/decode.js';
import { foldedParameters } from '../../nn/fold.js';
import type { Network, Params } from '../../nn/model.js';
import type { ParameterSpec } from '../../nn/parameters.js';
import { mergedScales } from '../tta.js';
import type { HostTensors, NetworkRunner, RunnerOptions, Tensors } from './network-runner.js';

interface Inputs<I> {
  images: tf.Tensor;
  /** Left out, they are captured instead, and become constants. */
  params?: Params;
  extra?: I;
}

interface Outputs<O> {
  output: tf.Tensor;
  also?: O;
}

/** The compiled graph. */
interface Run<O> {
  (inputs: { images: Bytes; params?: Params; extra?: Tensors }): Outputs<O>;
  dispose(): void;
}

export class NetworkTfjs<I extends Tensors, O extends Tensors> implements NetworkRunner<I, O> {
  private params: Params = {};
  private readonly compiled: Run<O>;

  constructor(
    private readonly network: Network,
    private readonly options: RunnerOptions<I, O> & { augment: boolean },
  ) {
    const graph = (inputs: unknown) => this.graph(inputs as Inputs<I>) as { output: tf.Tensor };
    const settings = { name: 'predict', half: options.half };
    this.compiled = compile<Tree<tf.Tensor>, { output: tf.Tensor }>(graph, settings) as unknown as Run<O>;
  }

  private graph({ images, params = this.params, extra }: Inputs<I>): Outputs<O> {
    const { network, options } = this;
    const x = (options.scale === 1 ? images : tf.mul(images, options.scale)) as tf.Tensor4D;
    const forward = (input: tf.Tensor4D) => network.forward(input, params);
    if (options.augment) return { output: mergedScales(x, forward, network.spec.stride) };
    const head = forward(x);
    const output = decode(head);
    return extra && options.also ? { output, also: options.also(head, extra) } : { output };
  }

  setWeights(values: (parameter: ParameterSpec) => Float32Array): void {
    tf.dispose(this.params);
    this.params = {};
    if (this.options.half) this.compiled.dispose(); // the old ones are constants in its graphs
    for (const parameter of foldedParameters(this.network.parameters))
      this.params[parameter.name] = tf.tensor(values(parameter), parameter.shape);
  }

  async run(images: HostTensor<'uint8'>): Promise<HostTensor<'float32'>> {
    return (await read(this.compute(images).output)) as HostTensor<'float32'>;
  }

  async runWith(images: HostTensor<'uint8'>, extra: HostTensors<I>) {
    const given = Object.entries<HostTensor>(extra).map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data as Float32Array, [...shape], dtype as 'float32'),
    ]);
    const fed = Object.fromEntries(given) as I;
    const { output, also } = this.compute(images, fed);
    tf.dispose({ ...fed });
    const rest = Object.entries<tf.Tensor>(also as O).map(async ([name, tensor]) => [name, await read(tensor)]);
    return {
      output: (await read(output)) as HostTensor<'float32'>,
      also: Object.fromEntries(await Promise.all(rest)) as HostTensors<O>,
    };
  }

  private compute(images: HostTensor<'uint8'>, extra?: I): Outputs<O> {
    // Captured, weights become constants, whose rounding to bfloat16 is done once. As inputs they are held once for all
    // shapes, and a graph is ready in half the time; it runs as fast.
    const params = this.options.half ? {} : { params: this.params };
    return this.compiled({ images, ...params, ...(extra && { extra }) });
  }

  dispose(): void {
    this.compiled.dispose();
    tf.dispose(this.params);
  }
}

/** Reads a tensor and lets go of it. */
async function read(tensor: tf.Tensor): Promise<HostTensor> {
  try {
    const data = await tensor.data();
    return { data, shape: [...tensor.shape], dtype: tensor.dtype } as HostTensor;
  } finally {
    tensor.dispose();
  }
}
