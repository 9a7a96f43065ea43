/** A prediction of one shard: its sources, its folder, and results.jsonl, the results as `json=true` prints them. */
import { join } from 'node:path';
import { type KeyOf, keysOf, type PredictConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { parseShard, type Range, unitsOf } from '../../core/shard.js';
import type { Origins } from '../../data/program-source.js';
import type { Origin } from '../../data/source-list.js';
import { isLive } from '../../data/source-units.js';
import { openAtomic } from '../../io/files.js';
import type { Predicted, PredictObserver } from '../predict/observer.js';
import { openShardDir } from './folder.js';
import { identifyModel, identifySources } from './identity.js';
import type { ShardDone } from './manifest.js';

export const RESULTS = 'results.jsonl';

/** A shard's folder in the making. */
export interface PredictShardDir extends PredictObserver {
  path: string;
  /** Completes the folder. */
  finish(done: ShardDone): void;
  /** Gives the folder free. */
  release(): void;
}

/**
 * The sources of the shard.
 * @throws UserError 'endless-source' for streams, cameras and sources that arrive one after the other
 */
export function shardRange(shard: string, { origins, units = [] }: Predicted): Range {
  const list = refuseEndless(origins);
  const { from, to } = unitsOf(units.length, parseShard(shard)!);
  const start = (unit: number): number => (unit < units.length ? units[unit] : list.length);
  const range = { from: start(from), to: start(to) };
  const which = range.to > range.from ? ` (${range.from + 1} to ${range.to})` : '';
  log.info(`Shard ${shard}: ${range.to - range.from} of ${list.length} sources${which}`);
  return range;
}

/** @param config with the values that are used, and the shard */
export async function openPredictShard(
  config: PredictConfig & { shard: string },
  { origins, batch, engine }: Predicted,
): Promise<PredictShardDir> {
  const { model, source, shard } = config;
  const folder = openShardDir(config, {
    mode: 'predict',
    shard,
    settings: Object.fromEntries(keysOf('predict').map((key) => [key, config[key as KeyOf<'predict'>]])),
    model: await identifyModel(model),
    data: identifySources(String(source), refuseEndless(origins)),
    engine,
    batch,
  });
  const results = openAtomic(join(folder.path, RESULTS));
  return {
    path: folder.path,
    onResult(result, { kind }) {
      if (kind === 'stream') throw endless(result.path);
      results.write(`${JSON.stringify(result)}\n`);
    },
    finish(done) {
      results.commit();
      folder.finish(done);
    },
    release() {
      results.abort();
      folder.release();
    },
  };
}

function refuseEndless(origins: Origins): readonly Origin[] {
  if (!Array.isArray(origins)) throw endless('an iterable');
  const live = (origins as readonly Origin[]).find(isLive);
  if (live) throw endless(live.kind === 'camera' ? `camera ${live.path}` : live.path);
  return origins;
}

function endless(what: string): UserError {
  return new UserError(
    'endless-source',
    `shard divides a list of images and videos, and ${what} has no end that is known`,
    'leave shard out',
  );
}
