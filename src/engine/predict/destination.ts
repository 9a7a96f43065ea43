/** Where the results of a prediction go: nowhere, to a run folder, or to the run folder of a shard. */
import type { PredictConfig } from '../../cfg/schema.js';
import type { Range } from '../../core/shard.js';
import type { Origin } from '../../data/source-list.js';
import { outputOptions } from '../options.js';
import { createRunDir, removeWithoutResults } from '../run-dir.js';
import type { Predicted, PredictObserver, PredictSummary } from './observer.js';
import type { PredictOutput } from './output.js';

/** A place for results. */
export interface Destination {
  /** The run folder; undefined when nothing is written. */
  saveDir?: string;
  /** Sources of the shard; undefined: all. */
  range?: Range;
  /** They write what is written. */
  observers: readonly PredictObserver[];
  /** After everything was written: completes the folder, and adds to the summary what was written. */
  finish(summary: PredictSummary): void;
  /** Always called in the end. */
  release(): void;
}

/**
 * @param config with the image size that is used
 * @throws UserError 'cannot-write'; with a shard also as `shardRange` and `openPredictShard`
 */
export async function openDestination(config: PredictConfig, predicted: Predicted): Promise<Destination> {
  const listed = Array.isArray(predicted.origins) ? (predicted.origins as readonly Origin[]) : undefined;
  const open = async (dir: string): Promise<PredictOutput> => {
    const { PredictOutput } = await import('./output.js'); // only where something is written, because it loads what draws
    return new PredictOutput(dir, outputOptions(config), listed);
  };
  const { shard } = config;
  if (shard !== null) {
    const { openPredictShard, shardRange } = await import('../shards/predict-shard.js');
    const range = shardRange(shard, predicted);
    // The lines that json=true prints are results, too.
    if (!writesFiles(config) && !config.json) return { ...nowhere(), range };
    const folder = await openPredictShard({ ...config, shard }, predicted);
    const output = await open(folder.path);
    return {
      saveDir: folder.path,
      range,
      observers: [output, folder],
      finish(summary) {
        summary.labels = output.labels;
        folder.finish(summary);
      },
      release: () => folder.release(),
    };
  }
  if (!writesFiles(config)) return nowhere();
  const saveDir = createRunDir(config, config.mode);
  const output = await open(saveDir);
  return {
    saveDir,
    observers: [output],
    finish(summary) {
      summary.labels = output.labels;
      if (removeWithoutResults(saveDir)) summary.saveDir = undefined;
    },
    release() {},
  };
}

function nowhere(): Destination {
  return { observers: [], finish() {}, release() {} };
}

function writesFiles({ save, save_txt, save_crop, save_frames }: PredictConfig): boolean {
  return save || save_txt || save_crop || save_frames;
}
