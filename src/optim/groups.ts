/**
 * The three parameter groups of YOLOv8's recipe: weights of convolutions (with weight decay), weights of BatchNorms and all
 * biases (without); biases have a learning rate of their own while warming up.
 */
import type { UpdateScalars } from './optimizers.js';

export const GROUPS = ['weight', 'bn', 'bias'] as const;
export type ParameterGroup = (typeof GROUPS)[number];

export interface Trainable {
  /** Name as in the checkpoint. */
  name: string;
  group: ParameterGroup;
}

/** The scalars of a step, one learning rate a group. */
export interface GroupScalars extends Omit<UpdateScalars, 'lr'> {
  lr: Record<ParameterGroup, UpdateScalars['lr']>;
}

/** "SGD: lr 0.01, momentum 0.937; 57 weights (decay 0.0), 64 …": one line for people. */
export function describeGroups(trainables: readonly Trainable[], decay: number): string {
  const count = (g: ParameterGroup): number => trainables.filter((t) => t.group === g).length;
  return `${count('bn')} weights of BatchNorm (decay 0), ${count('weight')} weights (decay ${Number(decay.toPrecision(6))}), ${count('bias')} biases (decay 0)`;
}
