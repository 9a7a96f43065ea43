/** What a run trains and how: the parameters in their groups, the optimizer, and the schedule of its rates. */
import { wasGiven } from '../../cfg/load.js';
import type { Key, TrainConfig } from '../../cfg/schema.js';
import type { OptimizerName } from '../../core/choices.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Dataset } from '../../data/dataset.js';
import type { Network } from '../../nn/model.js';
import type { ParameterGroup, Trainable } from '../../optim/groups.js';
import { OPTIMIZERS } from '../../optim/optimizers.js';
import { autoOptimizer, type ScheduleSettings } from '../../optim/schedule.js';

/**
 * The optimizer, and how its rates go: `optimizer=auto` resolved once, what the user gave kept.
 * @param batch images of a batch (config.batch may be −1)
 */
export function chooseOptimizer(
  config: TrainConfig,
  train: Dataset,
  batch: number,
  batchesPerEpoch: number,
): { optimizer: OptimizerName; schedule: ScheduleSettings } {
  let { optimizer, lr0, momentum, warmup_bias_lr: warmupBiasLr } = config;
  if (optimizer === 'auto') {
    const run = {
      images: train.images.length,
      batch,
      nbs: config.nbs,
      epochs: config.epochs,
      classes: train.names.length,
    };
    const auto = autoOptimizer(run);
    optimizer = auto.optimizer;
    if (!wasGiven(config, 'lr0')) lr0 = auto.lr0;
    if (!wasGiven(config, 'momentum')) momentum = auto.momentum;
    if (auto.warmupBiasLr !== undefined && !wasGiven(config, 'warmup_bias_lr')) warmupBiasLr = auto.warmupBiasLr;
    log.info(
      `optimizer=auto: ${optimizer} with lr0=${lr0}, momentum=${momentum}; lr0 and momentum that you give are kept`,
    );
  }
  const schedule: ScheduleSettings = {
    epochs: config.epochs,
    batchesPerEpoch,
    batch,
    nbs: config.nbs,
    lr0,
    lrf: config.lrf,
    cosLr: config.cos_lr,
    momentum,
    warmupEpochs: config.warmup_epochs,
    warmupMomentum: config.warmup_momentum,
    warmupBiasLr,
    warmsMomentum: OPTIMIZERS[optimizer].warmsMomentum,
  };
  return { optimizer, schedule };
}

/** Keys that set a value of the schedule. */
const OF_SCHEDULE = {
  epochs: 'epochs',
  lr0: 'lr0',
  lrf: 'lrf',
  cos_lr: 'cosLr',
  momentum: 'momentum',
  warmup_epochs: 'warmupEpochs',
  warmup_momentum: 'warmupMomentum',
  warmup_bias_lr: 'warmupBiasLr',
} as const satisfies Partial<Record<Key, keyof ScheduleSettings>>;

/** The value with which a run really trains, where it may differ from that of its configuration. */
export function usedValue(schedule: ScheduleSettings, key: Key): unknown {
  return key in OF_SCHEDULE ? schedule[OF_SCHEDULE[key as keyof typeof OF_SCHEDULE]] : undefined;
}

/**
 * The schedule of a resumed run: as the run had it, over that what is given now.
 * @throws UserError when another optimizer is asked for than the one whose state there is
 */
export function resumedSchedule(
  { optimizer, schedule }: { optimizer: OptimizerName; schedule: ScheduleSettings },
  given: TrainConfig,
): ScheduleSettings {
  if (wasGiven(given, 'optimizer') && given.optimizer !== 'auto' && given.optimizer !== optimizer) {
    throw new UserError(
      'fixed-at-resume',
      `optimizer=${given.optimizer}: this run has the state of ${optimizer}, which can't be changed when it is resumed`,
      'to train its weights with another optimizer start a new run: model=…/last.safetensors',
    );
  }
  const changed = Object.entries(OF_SCHEDULE).filter(([key]) => wasGiven(given, key as Key));
  return { ...schedule, ...Object.fromEntries(changed.map(([key, name]) => [name, given[key as Key]])) };
}

/** The first n layers, a list of layer indices, or none. */
type Freeze = number | readonly number[] | null;

const GROUP: Record<string, ParameterGroup | undefined> = { weight: 'weight', bn: 'bn', bias: 'bias' };

/** Layers that `freeze` names: the first n, or a list. */
export function frozenLayers(freeze: Freeze): Set<number> {
  return new Set(typeof freeze === 'number' ? Array.from({ length: freeze }, (_, i) => i) : (freeze ?? []));
}

const layerOf = (name: string): number => Number(name.split('.')[1]);

/** The parameters that are trained, with their groups. @throws UserError 'all-frozen' */
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
