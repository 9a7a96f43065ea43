/**
 * The network as a pure function: images and parameters in, predictions out. It is built once from a model description
 * and holds no tensor. The same code runs eagerly, inside the graph compiler, and on wasm.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { costOf } from './cost.js';
import type { HeadOutput } from './head.js';
import { runLayers } from './layers.js';
import { type ModelSpec, parseModelYaml } from './model-yaml.js';
import { type ParameterSpec, type Params, startOf } from './parameters.js';
import { type TensorMode, TensorOps } from './tensor-ops.js';

export { fromTensors, toTensors } from './layout.js';
export type { ParameterKind, ParameterSpec, Params } from './parameters.js';

export interface ForwardOptions extends TensorMode {
  /** Is shown the output of every layer but the head. */
  tap?: (index: number, output: tf.Tensor) => void;
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

/**
 * @param spec from parseModelYaml
 * @param options another class count, and the hidden width of the class branch (fine-tuning keeps the source's)
 */
export function buildNetwork(spec: ModelSpec, options: { nc?: number; headHidden?: number } = {}): Network {
  if (options.nc !== undefined || options.headHidden !== undefined)
    spec = parseModelYaml(spec.yaml, { headHidden: spec.head.args.classHidden, ...options });
  const { parameters } = costOf(spec);
  return {
    spec,
    parameters,
    init: (seed) => Object.fromEntries(parameters.map((parameter) => [parameter.name, startOf(parameter, seed)])),
    forward(x, params, { tap, ...mode } = {}) {
      const ops = new TensorOps(params, mode);
      const { boxes, scores, maps } = runLayers<tf.Tensor>(spec, ops, x, tap);
      return {
        boxes: boxes as tf.Tensor3D,
        scores: scores as tf.Tensor3D,
        levels: maps.map(({ shape }): [number, number] => [shape[1]!, shape[2]!]),
        strides: spec.strides,
        statistics: ops.statistics,
      };
    },
  };
}
