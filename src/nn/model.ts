/**
 * The network as a pure function: pictures and parameters in, predictions out. It is built once from a model description
 * and holds no tensor. The same code runs eagerly, inside the graph compiler, and on wasm.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type LayerSpec, type ModelSpec, parseModelYaml } from '../cfg/model-yaml.js';
import { hashString, rng } from '../core/rng.js';
import { type Block, c2f, conv, type Declare, type ParameterSpec, type Params, type Pass, sppf } from './blocks.js';
import { detect, type HeadOutput } from './head.js';
import { upsample2x } from './ops.js';

export type { ParameterKind, ParameterSpec, Params } from './blocks.js';
export { fromTensors, toTensors } from './layout.js';

export interface ForwardOptions {
  /** True: BatchNorm with the batch's own statistics, and new running ones come out. */
  training?: boolean;
  /** Indices of layers whose BatchNorm runs on its statistics and keeps them, although training. */
  frozenLayers?: ReadonlySet<number>;
  /** Is shown the output of every layer but the head. */
  tap?: (index: number, output: tf.Tensor4D) => void;
}

export interface ForwardOutput extends HeadOutput {
  /** While training: new running means and variances by parameter name (0.97 old + 0.03 batch, variance unbiased). */
  statistics: Params;
}

export interface Network {
  spec: ModelSpec;
  /** In the order of a PyTorch state dict. */
  parameters: ParameterSpec[];
  /**
   * Fresh parameters. Each tensor has a random stream of its own, keyed by seed and name.
   * @returns tensors that the caller disposes of
   */
  init(seed: number): Params;
  /**
   * @param x [B, H, W, 3] RGB 0..1, H and W multiples of `spec.stride`
   * @param params all of `parameters`, or what `foldBatchNorm` made of them
   */
  forward(x: tf.Tensor4D, params: Params, options?: ForwardOptions): ForwardOutput;
}

/** Takes the outputs of its inputs; the last layer, the head, is built apart. */
type Layer = (inputs: tf.Tensor4D[], pass: Pass) => tf.Tensor4D;

/**
 * @param spec from parseModelYaml
 * @param options another class count, and the hidden width of the class branch (fine-tuning keeps the source's)
 */
export function buildNetwork(spec: ModelSpec, options: { nc?: number; headHidden?: number } = {}): Network {
  if (options.nc !== undefined || options.headHidden !== undefined)
    spec = parseModelYaml(spec.yaml, { headHidden: spec.head.args.classHidden, ...options });
  const parameters: ParameterSpec[] = [];
  const declare: Declare = (name, shape, kind, start) => parameters.push({ name, shape, kind, start });
  const layers = spec.layers.slice(0, -1).map((layer) => buildLayer(declare, layer));
  const { head } = spec;
  const headOf = detect(declare, `model.${head.index}`, head.inChannels, head.args);
  return {
    spec,
    parameters,
    init: (seed) => Object.fromEntries(parameters.map((parameter) => [parameter.name, startOf(parameter, seed)])),
    forward(x, params, { training = false, frozenLayers, tap } = {}) {
      const pass: Pass = { params, training, frozenLayers, statistics: {} };
      const outputs: tf.Tensor4D[] = [];
      spec.layers.slice(0, -1).forEach((layer, i) => {
        outputs.push(
          layers[i](
            layer.inputs.map((j) => (j < 0 ? x : outputs[j])),
            pass,
          ),
        );
        tap?.(i, outputs[i]);
      });
      const out = headOf(
        head.inputs.map((j) => outputs[j]),
        pass,
      );
      return { ...out, statistics: pass.statistics };
    },
  };
}

function buildLayer(declare: Declare, layer: LayerSpec): Layer {
  const name = `model.${layer.index}`;
  const from = layer.inChannels[0];
  const to = layer.outChannels;
  const one =
    (block: Block): Layer =>
    ([x], pass) =>
      block(x, pass);
  switch (layer.module) {
    case 'Conv':
      return one(conv(declare, name, from, to, layer.args.kernel, layer.args.stride));
    case 'C2f':
      return one(c2f(declare, name, { from, to, repeats: layer.repeats, ...layer.args }));
    case 'SPPF':
      return one(sppf(declare, name, from, to, layer.args.hidden));
    case 'Upsample':
      return ([x]) => upsample2x(x);
    case 'Concat':
      return (inputs) => tf.concat(inputs, -1);
    case 'Detect':
      throw new Error('the head is built apart');
  }
}

function startOf({ name, shape, start }: ParameterSpec, seed: number): tf.Tensor {
  if ('value' in start) return tf.fill(shape, start.value);
  const bound = 1 / Math.sqrt(start.fanIn);
  const random = rng(seed, hashString(name));
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform(-bound, bound));
  return tf.tensor(values, shape);
}
