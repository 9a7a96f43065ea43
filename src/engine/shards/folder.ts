/** The run folder of a shard: that of the whole job with `-shard-2-of-3` behind its name. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import { parseShard } from '../../core/shard.js';
import { removeUnfinished } from '../../io/files.js';
import { shellWord } from '../report/settings.js';
import { openRunDir, type RunDir, type RunDirOptions } from '../run-dir.js';
import { refuseDifferences } from './compare.js';
import { MANIFEST, readManifest, type ShardDone, type ShardPlan, writeManifest } from './manifest.js';

/**
 * A shard may be started again on another machine as soon as its process is lost. If that process still lives, both write the
 * same files.
 */
const SILENT_MS = 10_000;

/** A shard's folder, which no other process writes to. */
export interface ShardDir extends RunDir {
  /** Writes shard.json: the folder is complete. */
  finish(done: ShardDone): void;
}

/**
 * @throws UserError 'run-in-use', 'cannot-write'; 'shards-differ' when `exist_ok` is set and the folder has results of
 *   another job
 */
export function openShardDir(options: RunDirOptions, plan: ShardPlan): ShardDir {
  const { index, count } = parseShard(plan.shard)!;
  const job = options.name || plan.mode;
  const folder = openRunDir({ ...options, name: `${job}-shard-${index}-of-${count}` }, plan.mode, SILENT_MS);
  const { path } = folder;
  try {
    removeUnfinished(path);
    if (existsSync(join(path, MANIFEST))) refuseOtherJob(path, plan);
  } catch (error) {
    folder.release();
    throw error;
  }
  return {
    ...folder,
    finish(done) {
      writeManifest(path, plan, done);
      const all = shellWord(join(path, '..', `${job}-shard-*`));
      log.info(`Shard ${plan.shard} is complete in ${path}; when all are: yolo merge ${all}`);
    },
  };
}

/** The files of an earlier attempt are replaced one by one; those of another job would stay. */
function refuseOtherJob(path: string, plan: ShardPlan): void {
  const hint = `choose another name=, or remove ${path}`;
  refuseDifferences([readManifest(path), { ...plan, dir: 'this run' }], hint);
}
