/**
 * A validation of one shard. Its folder has part.safetensors, what the network predicted (val/part-file.ts), and the files of
 * its own images: labels and drawings.
 */
import { join } from 'node:path';
import { type KeyOf, keysOf, type ValConfig } from '../../cfg/schema.js';
import { log } from '../../core/log.js';
import { parseShard, type Shard } from '../../core/shard.js';
import type { Dataset } from '../../data/dataset.js';
import { writeFileAtomic } from '../../io/files.js';
import type { RunDir } from '../run-dir.js';
import type { EvaluatedImage, EvaluateObserver, Evaluation } from '../val/evaluate.js';
import { ValOutput } from '../val/output.js';
import { PartRecorder } from '../val/parts.js';
import type { Predictions } from '../val/predictions.js';
import { openShardDir } from './folder.js';
import { identifyDataset, identifyModel } from './identity.js';

export const PART = 'part.safetensors';

/** A validation of a shard. */
export interface ValShard extends EvaluateObserver {
  shard: Shard;
  folder: RunDir;
  /** The same predictions, which are kept as they pass. */
  record(predictions: Predictions): Predictions;
  /** Completes the folder. */
  finish(evaluation: Evaluation): void;
}

/** @param config with the values that are used @param about images of a batch, and the engine */
export async function openValShard(
  config: ValConfig & { shard: string; data: string },
  dataset: Dataset,
  { batch, engine }: { batch: number; engine: string },
): Promise<ValShard> {
  const { shard: text, model, data } = config;
  const shard = parseShard(text)!;
  const folder = openShardDir(config, {
    mode: 'val',
    shard: text,
    settings: Object.fromEntries(keysOf('val').map((key) => [key, config[key as KeyOf<'val'>]])),
    model: await identifyModel(model),
    data: identifyDataset(data, dataset),
    engine,
    batch,
  });
  const { path: dir } = folder;
  const recorder = new PartRecorder(shard, dataset);
  const files = new ValOutput(dir, { ...config, save_json: false }, dataset.names);
  return {
    shard,
    folder,
    record(predictions) {
      log.info(
        `Shard ${text}: ${predictions.images} of ${dataset.images.length} images; the figures are of these alone`,
      );
      return recorder.record(predictions);
    },
    onImage: (image: EvaluatedImage) => files.onImage(image),
    finish({ images, broken, speed }) {
      writeFileAtomic(join(dir, PART), recorder.bytes());
      const failed = broken.map(({ path, message }) => ({ path, reason: message }));
      folder.finish({ images, failed, speed });
    },
  };
}
