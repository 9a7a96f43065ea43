/**
 * The three parameter groups of YOLOv8's recipe: weights of convolutions (with weight decay), weights of BatchNorms and
 * biases (without). Biases have a separate learning rate during warm-up.
 */
import type { UpdateScalars } from './optimizers.js';

/** Names of the groups. */
export const GROUPS = ['weight', 'bn', 'bias'] as const;
/** One of GROUPS. */
export type ParameterGroup = (typeof GROUPS)[number];

/** A parameter that is trained. */
export interface Trainable {
  /** Name as in the checkpoint. */
  name: string;
  group: ParameterGroup;
}

/** Scalars of a step, with a learning rate per group. */
export interface GroupScalars extends Omit<UpdateScalars, 'lr'> {
  lr: Record<ParameterGroup, UpdateScalars['lr']>;
}

/** @returns a line for the log: '57 weights of BatchNorm (decay 0), 64 weights (decay 0.0005), 63 biases (decay 0)' */
export function describeGroups(trainables: readonly Trainable[], decay: number): string {
  const count = (g: ParameterGroup): number => trainables.filter((t) => t.group === g).length;
  return `${count('bn')} weights of BatchNorm (decay 0), ${count('weight')} weights (decay ${Number(decay.toPrecision(6))}), ${count('bias')} biases (decay 0)`;
}
