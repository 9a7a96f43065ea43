/**
 * Update rules of the optimizers as pure functions of tensors: value, gradient and optimizer state → new value and state.
 * They follow PyTorch's definitions (torch.optim.SGD, Adam, AdamW, NAdam, RAdam, Adamax, RMSprop), with which the published
 * weights were trained. Coefficients that depend only on the step are computed outside of the graph, in double precision.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerName } from '../core/choices.js';

/** β₂ and ε of the Adam family (Kingma and Ba 2015); ε is also RMSprop's. PyTorch's defaults. */
const BETA2 = 0.999;
const EPSILON = 1e-8;
/** Smoothing constant of RMSprop's squared gradients, PyTorch's default. */
const RMSPROP_ALPHA = 0.99;
/** ψ, the momentum decay of NAdam, PyTorch's default. */
const NADAM_MOMENTUM_DECAY = 0.004;

/** Scalars of one update; tensors, so that they are inputs of the compiled step. */
export interface UpdateScalars {
  lr: tf.Scalar;
  /** Momentum; β₁ for the Adam family. */
  momentum: tf.Scalar;
  /** Values of the rule's `coefficients` for this step, in the same order. */
  coefficients: tf.Scalar[];
}

/** Update rule of an optimizer. */
export interface OptimizerRule {
  /** Number of tensors of optimizer state, each of the parameter's shape and initially zero. */
  readonly stateTensors: number;
  /** Whether `momentum` has a warm-up; β₁ has none. */
  readonly warmsMomentum: boolean;
  /**
   * Values that depend on the step, besides learning rate and momentum.
   * @param step counted from 1
   */
  coefficients(step: number, momentum: number): number[];
  /**
   * @param decay weight decay of this parameter, 0 for none
   * @returns the new value and the new optimizer state, in the same shapes
   */
  update(
    value: tf.Tensor,
    gradient: tf.Tensor,
    state: tf.Tensor[],
    decay: number,
    s: UpdateScalars,
  ): { value: tf.Tensor; state: tf.Tensor[] };
}

const none = (): number[] => [];

/** 1 − β^step, the divisor that corrects the bias of a moving average that starts at zero (Kingma and Ba 2015, section 3). */
const biasCorrection = (beta: number, step: number): number => 1 - beta ** step;

/** g + decay·p: weight decay as L2 regularization. */
function withDecay(value: tf.Tensor, gradient: tf.Tensor, decay: number): tf.Tensor {
  return decay === 0 ? gradient : tf.add(gradient, tf.mul(value, decay));
}

/** v = m·v + g; p −= lr·(g + m·v): Nesterov momentum (Sutskever et al. 2013) in PyTorch's form. */
const sgd: OptimizerRule = {
  stateTensors: 1,
  warmsMomentum: true,
  coefficients: none,
  update(value, gradient, [velocity], decay, { lr, momentum }) {
    const g = withDecay(value, gradient, decay);
    const v = tf.add(tf.mul(velocity, momentum), g);
    return { value: tf.sub(value, tf.mul(tf.add(g, tf.mul(v, momentum)), lr)), state: [v] };
  },
};

/** Moving averages of the gradient and of its square: m = β₁·m + (1 − β₁)·g, v = β₂·v + (1 − β₂)·g². */
function moments([mean, square]: tf.Tensor[], g: tf.Tensor, beta1: tf.Scalar): [m: tf.Tensor, v: tf.Tensor] {
  const m = tf.add(tf.mul(mean, beta1), tf.mul(g, tf.sub(1, beta1)));
  const v = tf.add(tf.mul(square, BETA2), tf.mul(tf.square(g), 1 - BETA2));
  return [m, v];
}

const biasCorrections = (step: number, beta1: number): number[] => [
  biasCorrection(beta1, step),
  biasCorrection(BETA2, step),
];

/** Kingma and Ba 2015, algorithm 1, with ε added as in PyTorch: p −= lr/(1 − β₁^t)·m / (√v/√(1 − β₂^t) + ε). */
function adamUpdate(
  value: tf.Tensor,
  g: tf.Tensor,
  state: tf.Tensor[],
  { lr, momentum, coefficients: [correction1, correction2] }: UpdateScalars,
): { value: tf.Tensor; state: tf.Tensor[] } {
  const [m, v] = moments(state, g, momentum);
  const denominator = tf.add(tf.div(tf.sqrt(v), tf.sqrt(correction2)), EPSILON);
  return { value: tf.sub(value, tf.mul(tf.div(m, denominator), tf.div(lr, correction1))), state: [m, v] };
}

const adam: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: false,
  coefficients: biasCorrections,
  update: (value, gradient, state, decay, s) => adamUpdate(value, withDecay(value, gradient, decay), state, s),
};

/** Loshchilov and Hutter 2019: the decay is applied to the weight directly, not to the gradient: p −= lr·decay·p. */
const adamW: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: false,
  coefficients: biasCorrections,
  update: (value, gradient, state, decay, s) =>
    adamUpdate(decay === 0 ? value : tf.mul(value, tf.sub(1, tf.mul(s.lr, decay))), gradient, state, s),
};

/** Momentum of NAdam at a step: μ = β₁·(1 − 0.96^(step·ψ)/2). */
const nadamMomentum = (step: number, beta1: number): number =>
  beta1 * (1 - 0.5 * 0.96 ** (step * NADAM_MOMENTUM_DECAY));

/** Product of NAdam's momenta up to a step. It underflows to 0 after some hundred steps, which ends the loop. */
function nadamProduct(step: number, beta1: number): number {
  let product = 1;
  for (let t = 1; t <= step && product > 0; t++) product *= nadamMomentum(t, beta1);
  return product;
}

/** Dozat 2016, algorithm 2: Adam with Nesterov momentum. p −= lr·(c₁·g + c₂·m)/(√(v/(1 − β₂^t)) + ε). */
const nadam: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: false,
  coefficients(step, beta1) {
    const product = nadamProduct(step, beta1);
    const next = nadamMomentum(step + 1, beta1);
    const ofGradient = (1 - nadamMomentum(step, beta1)) / (1 - product);
    return [ofGradient, next / (1 - product * next), biasCorrection(BETA2, step)];
  },
  update(value, gradient, state, decay, { lr, momentum, coefficients: [ofGradient, ofMean, correction2] }) {
    const g = withDecay(value, gradient, decay);
    const [m, v] = moments(state, g, momentum);
    const direction = tf.add(tf.mul(g, ofGradient), tf.mul(m, ofMean));
    const denominator = tf.add(tf.sqrt(tf.div(v, correction2)), EPSILON);
    return { value: tf.sub(value, tf.mul(tf.div(direction, denominator), lr)), state: [m, v] };
  },
};

/**
 * Liu et al. 2020, algorithm 2: Adam with the adaptive learning rate rectified by its variance, once that is tractable.
 * p −= lr/(1 − β₁^t)·m·(plain + rectified/(√v + ε)), where one of `plain` and `rectified` is 0.
 */
const radam: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: false,
  coefficients(step, beta1) {
    const correction2 = biasCorrection(BETA2, step);
    const longest = 2 / (1 - BETA2) - 1;
    const length = longest - (2 * step * BETA2 ** step) / correction2;
    const rate = 1 / biasCorrection(beta1, step);
    if (length <= 5) return [rate, 1, 0];
    const variance = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length);
    return [rate, 0, Math.sqrt(variance * correction2)];
  },
  update(value, gradient, state, decay, { lr, momentum, coefficients: [rate, plain, rectified] }) {
    const [m, v] = moments(state, withDecay(value, gradient, decay), momentum);
    const scale = tf.add(tf.div(rectified, tf.add(tf.sqrt(v), EPSILON)), plain);
    return { value: tf.sub(value, tf.mul(tf.mul(m, scale), tf.mul(lr, rate))), state: [m, v] };
  },
};

/** Kingma and Ba 2015, algorithm 2: Adam with the infinity norm of the gradients in place of the root mean square. */
const adamax: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: false,
  coefficients: (step, beta1) => [biasCorrection(beta1, step)],
  update(value, gradient, [mean, largest], decay, { lr, momentum, coefficients: [correction1] }) {
    const g = withDecay(value, gradient, decay);
    const m = tf.add(tf.mul(mean, momentum), tf.mul(g, tf.sub(1, momentum)));
    const u = tf.maximum(tf.mul(largest, BETA2), tf.add(tf.abs(g), EPSILON));
    return { value: tf.sub(value, tf.mul(tf.div(m, u), tf.div(lr, correction1))), state: [m, u] };
  },
};

/** Tieleman and Hinton 2012; momentum is applied to the scaled gradient as in PyTorch. */
const rmsProp: OptimizerRule = {
  stateTensors: 2,
  warmsMomentum: true,
  coefficients: none,
  update(value, gradient, [square, velocity], decay, { lr, momentum }) {
    const g = withDecay(value, gradient, decay);
    const s = tf.add(tf.mul(square, RMSPROP_ALPHA), tf.mul(tf.square(g), 1 - RMSPROP_ALPHA));
    const v = tf.add(tf.mul(velocity, momentum), tf.div(g, tf.add(tf.sqrt(s), EPSILON)));
    return { value: tf.sub(value, tf.mul(v, lr)), state: [s, v] };
  },
};

/** The optimizers by name. */
export const OPTIMIZERS: Record<OptimizerName, OptimizerRule> = {
  SGD: sgd,
  Adam: adam,
  AdamW: adamW,
  NAdam: nadam,
  RAdam: radam,
  Adamax: adamax,
  RMSProp: rmsProp,
};

/** @returns [] L2 norm of all gradients as one vector */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  const squares = gradients.map((g) => tf.sum(tf.square(g)));
  return tf.sqrt(tf.sum(tf.stack(squares))) as tf.Scalar;
}

/**
 * Gradient clipping by the global norm: min(1, maxNorm / (norm + 1e-6)) (Pascanu et al. 2013; PyTorch's clip_grad_norm_).
 * @returns norm [], and factor [] ≤ 1 by which all gradients are to be multiplied
 */
export function clipFactor(gradients: tf.Tensor[], maxNorm: number): { norm: tf.Scalar; factor: tf.Scalar } {
  const norm = globalNorm(gradients);
  return { norm, factor: tf.minimum(1, tf.div(maxNorm, tf.add(norm, 1e-6))) as tf.Scalar };
}
