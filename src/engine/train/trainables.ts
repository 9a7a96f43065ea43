/** Which parameters a run trains: all but those of frozen layers, in the recipe's three groups. */
import { UserError } from '../../core/errors.js';
import type { Network } from '../../nn/model.js';
import type { ParameterGroup, Trainable } from '../../optim/groups.js';

/** The first n layers, a list of layer indices, or none. */
type Freeze = number | readonly number[] | null;

const GROUP: Record<string, ParameterGroup | undefined> = { weight: 'weight', bn: 'bn', bias: 'bias' };

/** Layers that `freeze` names: the first n, or a list. */
export function frozenLayers(freeze: Freeze): Set<number> {
  return new Set(typeof freeze === 'number' ? Array.from({ length: freeze }, (_, i) => i) : (freeze ?? []));
}

const layerOf = (name: string): number => Number(name.split('.')[1]);

/** The parameters that are trained, with their groups. */
export function trainablesOf(network: Network, freeze: Freeze): Trainable[] {
  const layers = frozenLayers(freeze);
  const out: Trainable[] = [];
  for (const { name, kind } of network.parameters) {
    const group = GROUP[kind];
    if (group && !layers.has(layerOf(name))) out.push({ name, group });
  }
  if (out.length === 0) throw new UserError('all-frozen', 'freeze= leaves no layer to train', 'freeze fewer layers');
  return out;
}
