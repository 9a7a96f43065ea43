/**
 * The training step and the state that it carries from batch to batch. Two compiled graphs: `backward` (network, task-aligned
 * assignment, losses, gradients, added to the gradients that wait for a step) once for each shape of batch, and `update`
 * (clipping, optimiser, EMA), whose signature does not depend on the batch. Between them the gradients are plain tensors,
 * the place where several machines would average theirs. Both are pure: state in, state out, so that a batch whose loss or
 * gradient is not finite is dropped by keeping the state that there was.
 */
import * as tf from '@tensorflow/tfjs-core';
import { compile } from '../graph/compile.js';
import { differentiate } from '../graph/gradients.js';
import { detectionLoss, type LossGains } from '../loss/detection.js';
import type { Network } from '../nn/model.js';
import { emaDecay, emaUpdate } from '../optim/ema.js';
import type { Trainable } from '../optim/groups.js';
import { globalNorm, type OptimizerRule } from '../optim/optimizers.js';
import type { BatchRates } from '../optim/schedule.js';
import { updateAll } from '../optim/update.js';
import { type LabelTensors, padLabels } from './label-tensors.js';

type Tensors = Record<string, tf.Tensor>;

/** Gradients are clipped to this global norm. */
const MAX_NORM = 10;

export interface TrainState {
  /** Weights and running statistics by checkpoint name; convolution kernels HWIO. */
  model: Tensors;
  /** The average over `model`, same names. */
  ema: Tensors;
  /** Optimiser memory, `${slot}/${name}`. */
  slots: Tensors;
  /** Gradients that wait for a step, by name. */
  sums: Tensors;
  /** Optimiser steps taken so far. */
  updates: number;
  /** Index of the batch after which the last step was taken, −1 before the first. */
  lastStep: number;
  /** Labels are padded to so many a picture; grows, never shrinks, so that signatures are few. */
  labelSlots: number;
}

export interface StepOptions {
  network: Network;
  trainables: readonly Trainable[];
  /** Layers whose BatchNorms run on their statistics and keep them. */
  frozenLayers: ReadonlySet<number>;
  rule: OptimizerRule;
  /** Weight decay, scaled to the batch. */
  decay: number;
  gains: LossGains;
  /** Weight of each class in the class loss, length K; none: all 1. */
  classWeights?: number[];
}

export interface StepResult {
  /** Box, class and DFL loss with their gains, divided by the target scores, not by the batch. */
  items: [box: number, cls: number, dfl: number];
  /** What was not finite, if anything: the batch is dropped then, and the state is what it was. */
  nonFinite?: 'loss' | 'gradient';
  stepped: boolean;
  /** Norm of the accumulated gradients before clipping, when a step was taken. */
  norm?: number;
}

export interface StepBatch {
  images: Uint8Array;
  shape: [batch: number, height: number, width: number];
  /** Rows class cx cy w h, 0..1, one array a picture. */
  labels: Float32Array[];
}

/** A fresh state around these weights: nothing averaged, nothing accumulated. Takes over the tensors of `model`. */
export function freshState(model: Tensors, trainables: readonly Trainable[], rule: OptimizerRule): TrainState {
  const zeros = (name: string): tf.Tensor => tf.zeros(model[name].shape);
  const slots: Tensors = {};
  for (const { name } of trainables) for (let s = 0; s < rule.slots; s++) slots[`${s}/${name}`] = zeros(name);
  return {
    model,
    ema: Object.fromEntries(Object.entries(model).map(([k, t]) => [k, tf.clone(t)])),
    slots,
    sums: Object.fromEntries(trainables.map(({ name }) => [name, zeros(name)])),
    updates: 0,
    lastStep: -1,
    labelSlots: 1,
  };
}

export function disposeState(state: TrainState): void {
  for (const part of [state.model, state.ema, state.slots, state.sums]) tf.dispose(part);
}

/** What the backward graph takes and gives. */
type BackwardInput = {
  /** [B, H, W, 3] 0..255 */
  images: tf.Tensor;
  labels: LabelTensors;
  model: Tensors;
  sums: Tensors;
};

type UpdateInputs = {
  rates: Record<'lrWeight' | 'lrBn' | 'lrBias' | 'momentum' | 'emaDecay', tf.Tensor>;
  coefficients: tf.Tensor[];
  model: Tensors;
  ema: Tensors;
  slots: Tensors;
  sums: Tensors;
};

export class TrainStep {
  readonly state: TrainState;
  private readonly options: StepOptions;
  /** What the waiting gradients start from after each step: shared memory, never written. */
  private readonly zeros: Tensors;
  private readonly backward;
  private readonly update;

  constructor(state: TrainState, options: StepOptions) {
    this.state = state;
    this.options = options;
    this.zeros = Object.fromEntries(options.trainables.map(({ name }) => [name, tf.zeros(state.model[name].shape)]));
    this.backward = compile((inputs: BackwardInput) => this.backwardGraph(inputs), { name: 'backward' });
    this.update = compile((inputs: UpdateInputs) => this.updateGraph(inputs), { name: 'update' });
  }

  /**
   * Trains on one batch.
   * @param index batch index over the whole run
   */
  run(batch: StepBatch, rates: BatchRates, index: number): StepResult {
    const { state } = this;
    const [b, h, w] = batch.shape;
    const labels = padLabels(batch.labels, [h, w], state.labelSlots);
    state.labelSlots = labels.slots;
    const images = { data: batch.images, shape: [b, h, w, 3] };
    const out = this.backward({ images, labels: labels.tensors, model: state.model, sums: state.sums });
    tf.dispose({ ...labels.tensors });
    const items = Array.from(out.items.dataSync()) as StepResult['items'];
    const norm = out.norm.dataSync()[0];
    tf.dispose([out.items, out.norm]);
    const nonFinite = !items.every(Number.isFinite) ? 'loss' : !Number.isFinite(norm) ? 'gradient' : undefined;
    if (nonFinite) {
      tf.dispose(out);
      return { items, nonFinite, stepped: false };
    }
    this.replace(state.sums, out.sums);
    this.replace(state.model, out.statistics);
    if (index - state.lastStep < rates.accumulate) return { items, stepped: false };
    this.applyGradients(rates, index);
    return { items, stepped: true, norm };
  }

  /** Clips, updates and averages. */
  private applyGradients(at: BatchRates, index: number): void {
    const { state } = this;
    const t = state.updates + 1;
    const rates = {
      lrWeight: tf.scalar(at.lrWeight),
      lrBn: tf.scalar(at.lrBn),
      lrBias: tf.scalar(at.lrBias),
      momentum: tf.scalar(at.momentum),
      emaDecay: tf.scalar(emaDecay(t)),
    };
    const coefficients = this.options.rule.coefficients(t, at.momentum).map((x) => tf.scalar(x));
    const { model, ema, slots, sums } = state;
    const out = this.update({ rates, coefficients, model, ema, slots, sums });
    tf.dispose([...Object.values(rates), ...coefficients]);
    this.replace(
      state.sums,
      Object.fromEntries(Object.entries(this.zeros).map(([name, zero]) => [name, tf.clone(zero)])),
    );
    for (const part of ['model', 'ema', 'slots'] as const) this.replace(state[part], out[part]);
    state.lastStep = index;
    state.updates = t;
  }

  private replace(target: Tensors, next: Tensors): void {
    for (const [name, tensor] of Object.entries(next)) {
      target[name].dispose();
      target[name] = tensor;
    }
  }

  private backwardGraph({ images, labels, model, sums }: BackwardInput): {
    items: tf.Tensor;
    /** Of the accumulated gradients, this batch's among them: what the step would be taken with. */
    norm: tf.Tensor;
    statistics: Tensors;
    sums: Tensors;
  } {
    const { network, trainables, gains, classWeights, frozenLayers } = this.options;
    const pictures = tf.div(images, 255) as tf.Tensor4D; // [B, H, W, 3] 0..1
    const trained = trainables.map(({ name }) => model[name]);
    const { rest, gradients } = differentiate(() => {
      const head = network.forward(pictures, model, { training: true, frozenLayers });
      const { total, items } = detectionLoss(head, labels, { gains, classWeights });
      return { loss: total, rest: { items: items as tf.Tensor, statistics: head.statistics as Tensors } };
    }, trained);
    const added = trainables.map(({ name }, i) => tf.add(sums[name], gradients[i]));
    return {
      ...rest,
      norm: globalNorm(added),
      sums: Object.fromEntries(trainables.map(({ name }, i) => [name, added[i]])),
    };
  }

  private updateGraph({
    rates,
    coefficients,
    model,
    ema,
    slots,
    sums,
  }: UpdateInputs): Record<'model' | 'ema' | 'slots', Tensors> {
    const { trainables, rule, decay } = this.options;
    const r = rates as Record<keyof UpdateInputs['rates'], tf.Scalar>;
    const next = updateAll({
      rule,
      trainables,
      values: trainables.map(({ name }) => model[name]),
      gradients: trainables.map(({ name }) => sums[name]),
      slots: trainables.map(({ name }) => Array.from({ length: rule.slots }, (_, s) => slots[`${s}/${name}`])),
      scalars: {
        lr: { weight: r.lrWeight, bn: r.lrBn, bias: r.lrBias },
        momentum: r.momentum,
        coefficients: coefficients as tf.Scalar[],
      },
      decay,
      maxNorm: MAX_NORM,
    });
    const out = { model: {} as Tensors, ema: {} as Tensors, slots: {} as Tensors };
    trainables.forEach(({ name }, i) => {
      out.model[name] = next.values[i];
      next.slots[i].forEach((slot, s) => {
        out.slots[`${s}/${name}`] = slot;
      });
    });
    for (const [name, average] of Object.entries(ema)) {
      out.ema[name] = emaUpdate(average, out.model[name] ?? model[name], r.emaDecay);
    }
    return out;
  }

  dispose(): void {
    tf.dispose(this.zeros);
    this.backward.dispose();
    this.update.dispose();
  }
}
