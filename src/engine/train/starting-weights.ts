/** Where a fresh run starts: random weights for a network description, or the weights of a model that may know other classes. */
import type { TrainConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Checkpoint } from '../../core/types.js';
import type { Dataset } from '../../data/dataset.js';
import { buildNetwork, type Network } from '../../nn/model.js';
import { parseModelYaml } from '../../nn/model-yaml.js';
import type { Arrays } from '../../nn/parameters.js';
import { describeNetwork } from '../../nn/summary.js';
import { transferWeights } from '../../nn/transfer.js';
import { loadCheckpoint, resolveModelPath, specOf } from '../../nn/weights.js';

/** A network before its first step. */
export interface StartingPoint {
  network: Network;
  /** By checkpoint name; convolution kernels HWIO. */
  weights: Arrays;
}

const isYaml = (file: string): boolean => /\.ya?ml$/i.test(file);

/**
 * Network and starting weights of a fresh run.
 * @throws UserError when model or pretrained can't be used
 */
export async function startingPoint(config: TrainConfig, train: Dataset): Promise<StartingPoint> {
  const { model, pretrained } = config;
  if (!model)
    throw new UserError(
      'missing-model',
      'training needs a model: model= is missing',
      'yolov8n.pt to fine-tune, yolov8n.yaml to train from scratch',
    );
  const nc = train.names.length;
  if (isYaml(model)) {
    const network = buildNetwork(parseModelYaml(model, { nc }));
    announceNetwork(network);
    const from = typeof pretrained === 'string' ? await loadWeights(pretrained) : undefined;
    return { network, weights: startingWeights(network, from, config, train) };
  }
  const own = await loadWeights(model);
  const network = buildNetwork(specOf(own.checkpoint, model), { nc });
  announceNetwork(network);
  const from = pretrained === true ? own : pretrained ? await loadWeights(pretrained) : undefined;
  return { network, weights: startingWeights(network, from, config, train) };
}

interface WeightFile {
  checkpoint: Checkpoint;
  path: string;
}

async function loadWeights(model: string): Promise<WeightFile> {
  const path = await resolveModelPath(model);
  return { checkpoint: await loadCheckpoint(path), path };
}

/** Logs a row a layer, and the totals. */
export function announceNetwork({ spec }: Network): void {
  for (const line of describeNetwork(spec)) log.info(line);
}

/** Fresh weights by the seed, over them what a weight file has for this network. */
function startingWeights(
  network: Network,
  from: WeightFile | undefined,
  config: TrainConfig,
  { names }: Dataset,
): Arrays {
  const fresh = network.init(config.seed);
  if (from === undefined) return fresh;
  const { params, transferred, total } = transferWeights(from.checkpoint, network, fresh, {
    names,
    clsRemap: config.cls_remap,
  });
  log.info(`Transferred ${transferred}/${total} items from ${from.path}`);
  return params;
}
