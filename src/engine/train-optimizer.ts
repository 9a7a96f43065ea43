/** Which optimiser a run uses and how its rates go: `optimizer=auto` resolved, what the user gave kept. */
import { wasGiven } from '../cfg/load.js';
import type { TrainConfig } from '../cfg/schema.js';
import { log } from '../core/log.js';
import type { Dataset } from '../data/dataset.js';
import { OPTIMIZERS, type OptimizerName } from '../optim/optimizers.js';
import { autoOptimizer, type ScheduleSettings } from '../optim/schedule.js';

/**
 * @param batch pictures of a batch (config.batch may be −1)
 */
export function chooseOptimizer(
  config: TrainConfig,
  train: Dataset,
  batch: number,
  batchesPerEpoch: number,
): { optimizer: OptimizerName; schedule: ScheduleSettings } {
  let optimizer = config.optimizer as OptimizerName | 'auto';
  let { lr0, momentum, warmup_bias_lr: warmupBiasLr } = config;
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
