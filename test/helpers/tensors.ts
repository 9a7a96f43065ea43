import * as tf from '@tensorflow/tfjs-core';
import type { NamedArray } from '../../src/core/types.js';
import { tensorValues, toFile } from '../../src/nn/layout.js';
import type { ParameterSpec, Params } from '../../src/nn/model.js';

/** A checkpoint's weights as tensors, which the caller disposes of. */
export function toTensors(weights: ReadonlyMap<string, NamedArray>, parameters: readonly ParameterSpec[]): Params {
  const values = parameters.map((parameter) => tensorValues(weights.get(parameter.name), parameter));
  return Object.fromEntries(parameters.map(({ name, shape }, i) => [name, tf.tensor(values[i], shape)]));
}

/** The reverse. */
export function fromTensors(params: Params): Map<string, NamedArray> {
  return new Map(
    Object.entries(params).map(([name, tensor]) => [
      name,
      toFile({ shape: [...tensor.shape], data: Float32Array.from(tensor.dataSync()) }),
    ]),
  );
}
