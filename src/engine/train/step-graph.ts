/**
 * One training step as a function of tensors: forward pass, loss, gradients, accumulation, clipping, optimizer, average. It
 * is traced once for each shape of batch (step.ts). The state comes and goes as a few long vectors (state.ts).
 */
import * as tf from '@tensorflow/tfjs-core';
import { differentiate } from '../../graph/gradients.js';
import { detectionLoss, type LossGains } from '../../loss/detection.js';
import type { LabelTensors } from '../../loss/label-tensors.js';
import { forward } from '../../nn/forward.js';
import type { Network, Params } from '../../nn/model.js';
import { emaUpdate } from '../../optim/ema.js';
import { GROUPS, type ParameterGroup } from '../../optim/groups.js';
import { globalNorm, type OptimizerRule } from '../../optim/optimizers.js';
import { updateAll } from '../../optim/update.js';
import type { Layout, Piece, VectorName } from './state.js';

/** Gradients are clipped to this global norm. */
const MAX_NORM = 10;

/** The scalars that change from step to step, besides the rule's own coefficients. */
export const RATES = ['lrWeight', 'lrBn', 'lrBias', 'momentum', 'emaDecay'] as const;

/** What a step is compiled for. */
export interface StepOptions {
  network: Network;
  layout: Layout;
  /** Layers whose BatchNorms run on their statistics and keep them. */
  frozenLayers: ReadonlySet<number>;
  rule: OptimizerRule;
  /** Weight decay, scaled to the batch. */
  decay: number;
  gains: LossGains;
  /** Weight of each class in the class loss, length K; none: all 1. */
  classWeights?: number[];
  /** Convolutions, their gradients and feature maps in bfloat16; weights, statistics and the loss stay float32. */
  amp?: boolean;
}

/** Vectors by name: 'weight', or '0/weight' for the optimizer state. Those without elements are left out. */
type Vectors = Record<string, tf.Tensor>;

/** What a step reads: a batch, its rates, and the state. */
export type StepInputs = {
  /** [B, H, W, 3] 0..255 */
  images: tf.Tensor;
  labels: LabelTensors;
  rates: Record<(typeof RATES)[number], tf.Tensor>;
  coefficients: tf.Tensor[];
  model: Vectors;
  ema: Vectors;
  optimizerState: Vectors;
  accumulated: Vectors;
};

/** What a step computes: losses, and the next state. */
export type StepOutputs = {
  /** [3] box, class and DFL loss with their gains, divided by the target scores, not by the batch. */
  items: tf.Tensor;
  /** [] of the accumulated gradients, this batch's among them: what a step would be taken with. */
  norm: tf.Tensor;
  /** Accumulated gradients with this batch's. */
  accumulated: Vectors;
  /** Running statistics (and frozen weights) after this batch. */
  kept: tf.Tensor;
  /** What a step makes of them all. */
  next: { model: Vectors; ema: Vectors; optimizerState: Vectors };
};

/** The training step. Its optimizer update is computed of the accumulated gradients, whether it is applied or not. */
export function trainStep(inputs: StepInputs, options: StepOptions): StepOutputs {
  const { network, layout, frozenLayers, gains, classWeights } = options;
  const params = parametersOf(layout, inputs.model);
  const groups = groupsOf(layout);
  const trained = groups.flatMap((group) => layout[group].map(({ name }) => name));

  const images = tf.div(inputs.images, 255) as tf.Tensor4D; // [B, H, W, 3] 0..1
  const { rest, gradients } = differentiate(
    () => {
      const head = forward(network, images, params, { training: true, frozenLayers });
      const { total, items } = detectionLoss(head, inputs.labels, { gains, classWeights });
      return { loss: total, rest: { items: items as tf.Tensor, statistics: head.statistics as Params } };
    },
    trained.map((name) => params[name]),
  );

  const gradientOf = new Map(trained.map((name, i) => [name, gradients[i]]));
  const accumulated: Vectors = {};
  for (const group of groups) {
    accumulated[group] = tf.add(
      inputs.accumulated[group],
      joined(layout[group], (name) => gradientOf.get(name)!),
    );
  }
  const kept = joined(layout.kept, (name) => rest.statistics[name] ?? params[name]);
  const norm = globalNorm(groups.map((group) => accumulated[group]));
  return {
    items: rest.items,
    norm,
    accumulated,
    kept,
    next: applyGradients({ ...inputs, accumulated }, kept, options),
  };
}

/** Clips the accumulated gradients, updates the weights and the EMA of them. */
function applyGradients(
  inputs: StepInputs,
  kept: tf.Tensor,
  { layout, rule, decay }: StepOptions,
): StepOutputs['next'] {
  const groups = groupsOf(layout);
  const rates = inputs.rates as Record<(typeof RATES)[number], tf.Scalar>;
  const stateOf = (group: ParameterGroup) =>
    Array.from({ length: rule.stateTensors }, (_, s) => inputs.optimizerState[`${s}/${group}`]);
  const updated = updateAll({
    rule,
    trainables: groups.map((group) => ({ name: group, group })),
    values: groups.map((group) => inputs.model[group]),
    gradients: groups.map((group) => inputs.accumulated[group]),
    optimizerState: groups.map(stateOf),
    scalars: {
      lr: { weight: rates.lrWeight, bn: rates.lrBn, bias: rates.lrBias },
      momentum: rates.momentum,
      coefficients: inputs.coefficients as tf.Scalar[],
    },
    decay,
    maxNorm: MAX_NORM,
  });
  const model: Vectors = Object.fromEntries(groups.map((group, i) => [group, updated.values[i]]));
  const optimizerState: Vectors = {};
  groups.forEach((group, i) => {
    updated.optimizerState[i].forEach((tensor, s) => {
      optimizerState[`${s}/${group}`] = tensor;
    });
  });
  const values: Vectors = { ...model, kept };
  const ema: Vectors = {};
  for (const [name, average] of Object.entries(inputs.ema))
    ema[name] = emaUpdate(average, values[name], rates.emaDecay);
  return { model, ema, optimizerState };
}

/** Groups that have parameters; with frozen layers one may have none. */
function groupsOf(layout: Layout): ParameterGroup[] {
  return GROUPS.filter((group) => layout[group].length > 0);
}

/** The parameters that the vectors are made of, by name, each in its shape. */
function parametersOf(layout: Layout, vectors: Vectors): Params {
  const params: Params = {};
  for (const [vector, pieces] of Object.entries(layout) as [VectorName, Piece[]][]) {
    if (pieces.length === 0) continue;
    const sizes = pieces.map(({ size }) => size);
    tf.split(vectors[vector], sizes).forEach((part, i) => {
      params[pieces[i].name] = tf.reshape(part, pieces[i].shape);
    });
  }
  return params;
}

function joined(pieces: readonly Piece[], value: (name: string) => tf.Tensor): tf.Tensor {
  return tf.concat(pieces.map(({ name }) => tf.reshape(value(name), [-1])));
}
