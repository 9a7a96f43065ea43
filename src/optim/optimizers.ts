/**
 * Update rules of the optimisers, as tensor functions: old value, gradient and slots in, new value and slots out. They
 * follow PyTorch's definitions (torch.optim.SGD, Adam, AdamW, RMSprop), which the published weights were trained with.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Second-moment decay of Adam and AdamW (Kingma and Ba 2015), and the term that keeps their division finite. */
export const ADAM_BETA2 = 0.999;
const EPSILON = 1e-8;
/** Smoothing of RMSprop's squared gradients, PyTorch's default. */
const RMSPROP_ALPHA = 0.99;

export type OptimizerName = 'SGD' | 'Adam' | 'AdamW' | 'RMSProp';

/** Scalars of one update; tensors, so that they are inputs of the compiled step. */
export interface UpdateScalars {
  lr: tf.Scalar;
  /** Momentum; beta1 for Adam and AdamW. */
  momentum: tf.Scalar;
  /** 1 − beta1^t and 1 − beta2^t for Adam and AdamW, t counting from 1. */
  correction1: tf.Scalar;
  correction2: tf.Scalar;
}

export interface OptimizerRule {
  /** How many tensors of the parameter's shape it remembers; all start at zero. */
  readonly slots: number;
  /** Whether `momentum` is a momentum with a warm-up, rather than a beta. */
  readonly warmsMomentum: boolean;
  /**
   * @param decay weight decay of this parameter, 0 for none
   * @returns the new value and the new slots, shapes as before
   */
  update(
    value: tf.Tensor,
    gradient: tf.Tensor,
    slots: tf.Tensor[],
    decay: number,
    s: UpdateScalars,
  ): { value: tf.Tensor; slots: tf.Tensor[] };
}

/** g + decay·p: weight decay as an L2 term of the loss. */
function withDecay(value: tf.Tensor, gradient: tf.Tensor, decay: number): tf.Tensor {
  return decay === 0 ? gradient : tf.add(gradient, tf.mul(value, decay));
}

/** v = m·v + g; p −= lr·(g + m·v) (Nesterov momentum in PyTorch's form). */
const sgd: OptimizerRule = {
  slots: 1,
  warmsMomentum: true,
  update(value, gradient, [velocity], decay, { lr, momentum }) {
    const g = withDecay(value, gradient, decay);
    const v = tf.add(tf.mul(velocity, momentum), g);
    return { value: tf.sub(value, tf.mul(tf.add(g, tf.mul(v, momentum)), lr)), slots: [v] };
  },
};

/** Kingma and Ba 2015, algorithm 1, with PyTorch's place of epsilon. */
function adamUpdate(
  value: tf.Tensor,
  g: tf.Tensor,
  [mean, square]: tf.Tensor[],
  s: UpdateScalars,
): { value: tf.Tensor; slots: tf.Tensor[] } {
  const m = tf.add(tf.mul(mean, s.momentum), tf.mul(g, tf.sub(1, s.momentum)));
  const v = tf.add(tf.mul(square, ADAM_BETA2), tf.mul(tf.square(g), 1 - ADAM_BETA2));
  const denominator = tf.add(tf.div(tf.sqrt(v), tf.sqrt(s.correction2)), EPSILON);
  return { value: tf.sub(value, tf.mul(tf.div(m, denominator), tf.div(s.lr, s.correction1))), slots: [m, v] };
}

const adam: OptimizerRule = {
  slots: 2,
  warmsMomentum: false,
  update: (value, gradient, slots, decay, s) => adamUpdate(value, withDecay(value, gradient, decay), slots, s),
};

/** Loshchilov and Hutter 2019: the decay acts on the weight itself, not through the moments. */
const adamW: OptimizerRule = {
  slots: 2,
  warmsMomentum: false,
  update: (value, gradient, slots, decay, s) =>
    adamUpdate(decay === 0 ? value : tf.mul(value, tf.sub(1, tf.mul(s.lr, decay))), gradient, slots, s),
};

/** Tieleman and Hinton 2012, with momentum on the scaled gradient as in PyTorch. */
const rmsProp: OptimizerRule = {
  slots: 2,
  warmsMomentum: true,
  update(value, gradient, [square, velocity], decay, { lr, momentum }) {
    const g = withDecay(value, gradient, decay);
    const s = tf.add(tf.mul(square, RMSPROP_ALPHA), tf.mul(tf.square(g), 1 - RMSPROP_ALPHA));
    const v = tf.add(tf.mul(velocity, momentum), tf.div(g, tf.add(tf.sqrt(s), EPSILON)));
    return { value: tf.sub(value, tf.mul(v, lr)), slots: [s, v] };
  },
};

export const OPTIMIZERS: Record<OptimizerName, OptimizerRule> = {
  SGD: sgd,
  Adam: adam,
  AdamW: adamW,
  RMSProp: rmsProp,
};

/**
 * Global norm of all gradients and the factor that brings it down to `maxNorm` (Pascanu et al. 2013; PyTorch's
 * clip_grad_norm_, which adds 1e-6 to the norm).
 * @returns norm [] and factor [] ≤ 1
 */
export function clipFactor(gradients: tf.Tensor[], maxNorm: number): { norm: tf.Scalar; factor: tf.Scalar } {
  const squares = gradients.map((g) => tf.sum(tf.square(g)));
  const norm = tf.sqrt(tf.sum(tf.stack(squares))) as tf.Scalar;
  return { norm, factor: tf.minimum(1, tf.div(maxNorm, tf.add(norm, 1e-6))) as tf.Scalar };
}
