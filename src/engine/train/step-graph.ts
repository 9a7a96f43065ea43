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

/** A step of several workers, each of which computes a part of the batch. */
export interface SharedStep {
  /** Number of images of the whole batch. */
  images: number;
  /** Fraction of them that this worker has; 0: its image stands in for none and counts nowhere. */
  share: number;
  /** Adds up a tensor over all workers; not differentiable. */
  sum<T extends tf.Tensor>(x: T): T;
  /** BatchNorm has the statistics of the whole batch. */
  syncBn: boolean;
  /** Adds up what the workers have computed. */
  merge(own: StepParts): StepParts;
}

/** What a worker computes of its part of a batch, and what all have together. */
export interface StepParts {
  /** Gradients by group. */
  gradients: Vectors;
  /** [3] losses. */
  items: tf.Tensor;
  /** Running statistics by name: of a part, then the mean over all images. */
  statistics: Params;
  /** What the workers tell each other besides, see StepInputs. */
  told: tf.Tensor;
}

/** Vectors by name: 'weight', or '0/weight' for the optimizer state. Those without elements are left out. */
export type Vectors = Record<string, tf.Tensor>;

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
  /** [N] numbers that are added up over all workers; only in a SharedStep. */
  told?: tf.Tensor;
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
  /** The sums of `told`. */
  told?: tf.Tensor;
  /** What a step makes of them all. */
  next: { model: Vectors; ema: Vectors; optimizerState: Vectors };
};

/**
 * The training step. Its optimizer update is computed of the accumulated gradients, whether it is applied or not.
 * @param shared if the batch is a part of a larger one
 */
export function trainStep(inputs: StepInputs, options: StepOptions, shared?: SharedStep): StepOutputs {
  const { network, layout, frozenLayers, gains, classWeights } = options;
  const params = parametersOf(layout, inputs.model);
  const groups = groupsOf(layout);
  const trained = groups.flatMap((group) => layout[group].map(({ name }) => name));

  const images = tf.div(inputs.images, 255) as tf.Tensor4D; // [B, H, W, 3] 0..1
  const { rest, gradients } = differentiate(
    () => {
      const head = forward(network, images, params, {
        training: true,
        frozenLayers,
        across: shared?.syncBn ? shared : undefined,
      });
      const { total, items } = detectionLoss(head, inputs.labels, { gains, classWeights, whole: shared });
      const counted = <T extends tf.Tensor>(x: T): T => (shared?.share === 0 ? tf.mul(x, 0) : x);
      return {
        loss: counted(total),
        rest: { items: counted<tf.Tensor>(items), statistics: head.statistics as Params },
      };
    },
    trained.map((name) => params[name]),
  );

  const gradientOf = new Map(trained.map((name, i) => [name, gradients[i]]));
  const vectors = groups.map((group) => [group, joined(layout[group], (name) => gradientOf.get(name)!)]);
  const own = { gradients: Object.fromEntries(vectors) as Vectors, ...rest };
  const {
    gradients: whole,
    items,
    statistics,
    told,
  } = shared ? shared.merge({ ...own, told: inputs.told! }) : { ...own, told: undefined };
  const accumulated: Vectors = {};
  for (const group of groups) accumulated[group] = tf.add(inputs.accumulated[group], whole[group]);
  const kept = joined(layout.kept, (name) => statistics[name] ?? params[name]);
  const norm = globalNorm(groups.map((group) => accumulated[group]));
  return {
    items,
    norm,
    ...(told && { told }),
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
