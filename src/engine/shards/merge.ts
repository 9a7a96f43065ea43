/** `yolo merge`: the run folders of all shards become the run folder that one process would have written. */
import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { resolveConfig } from '../../cfg/load.js';
import type { ConfigOf, ValConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import type { PredictResult, Speed } from '../../core/types.js';
import { glob, isGlob } from '../../data/glob.js';
import type { PredictSummary } from '../predict/observer.js';
import { openRunDir, type RunDirOptions } from '../run-dir.js';
import { summarizeEvaluation } from '../val/output.js';
import { evaluateParts } from '../val/parts.js';
import { filesOfValidation, openSplit, report, type ValResult } from '../val/validator.js';
import { inOrder } from './compare.js';
import { copyFiles, type FileToCopy, filesOf } from './copy.js';
import { identifyDataset } from './identity.js';
import { MANIFEST, type ReadShard, readManifest } from './manifest.js';
import { RESULTS } from './predict-shard.js';
import { PART } from './val-shard.js';

/** What merging is given besides its configuration. */
export interface MergeRunOptions {
  /** Aborted: `Interrupted` is thrown, and a folder that was made is removed. */
  signal?: AbortSignal;
}

/** What the shards come to together. */
export type MergeResult = MergedPrediction | MergedValidation;

/** Merged shards of `yolo predict`. */
export interface MergedPrediction {
  mode: 'predict';
  summary: PredictSummary;
  /** The results of all shards, in the order of one process; read from their folders. */
  results: AsyncIterable<PredictResult>;
}

/** Merged shards of `yolo val`. */
export interface MergedValidation extends ValResult {
  mode: 'val';
}

/** Files of a shard's folder that one process does not write, or writes of its own. */
const OWN = [MANIFEST, RESULTS, PART, 'args.yaml', '.lock'];

/**
 * Puts the results of all shards together.
 * @throws UserError 'missing-runs'; 'no-shard' for a folder that is not complete; 'shards-differ', 'shard-twice',
 *   'shard-missing' when the folders are not one job; 'data-changed'; 'cannot-write'. Interrupted after `signal`
 */
export async function mergeShards(config: ConfigOf<'merge'>, options: MergeRunOptions = {}): Promise<MergeResult> {
  const shards = inOrder(foldersOf(config.runs).map(readManifest));
  const { settings, mode } = shards[0];
  const place: RunDirOptions = {
    project: config.project ?? (settings.project as string | null),
    name: config.name ?? (settings.name as string | null),
    exist_ok: config.exist_ok,
  };
  return mode === 'predict' ? mergePrediction(shards, place, options) : mergeValidation(shards, place, options);
}

/** Folders once each; patterns are expanded where the shell did not. */
function foldersOf(runs: readonly string[]): string[] {
  if (!runs.length) {
    const hint = "for example: yolo merge 'runs/detect/predict-shard-*'";
    throw new UserError('missing-runs', "'runs' is missing: which shards should be merged?", hint);
  }
  const folders = runs.flatMap((run) => {
    if (!isGlob(run)) return [run];
    const found = glob(join(run, MANIFEST)).map((path) => dirname(path));
    if (found.length) return found;
    throw new UserError('no-shard', `no run folder of a shard matches '${run}'`, `they have a file ${MANIFEST}`);
  });
  return [...new Map(folders.map((dir) => [resolve(dir), dir])).values()];
}

async function mergePrediction(
  shards: readonly ReadShard[],
  place: RunDirOptions,
  { signal }: MergeRunOptions,
): Promise<MergedPrediction> {
  const files = shards.flatMap(({ dir }) => filesOf(dir, OWN));
  // Of results that are only printed, one process writes nothing.
  const saveDir = files.length ? await inFolder(shards, place, (dir) => copyFiles(files, dir, signal)) : undefined;
  return { mode: 'predict', summary: summaryOf(shards, saveDir), results: resultsOf(shards) };
}

async function mergeValidation(
  shards: readonly ReadShard[],
  place: RunDirOptions,
  { signal }: MergeRunOptions,
): Promise<MergedValidation> {
  const [{ settings, batch, engine, data }] = shards;
  const given = { ...settings, ...place, exist_ok: settings.exist_ok, shard: null };
  const config = resolveConfig('val', given) as ValConfig & { data: string };
  const dataset = await openSplit(config, signal);
  if (identifyDataset(config.data, dataset).sha256 !== data.sha256)
    throw new UserError(
      'data-changed',
      `the '${config.split}' split of ${config.data} is not what the shards were computed on`,
      'its class names, image paths, image sizes and labels must be the same here',
    );
  const files: FileToCopy[] = shards.flatMap(({ dir }) => filesOf(dir, OWN));
  const parts = shards.map(({ dir }) => readFileSync(join(dir, PART)));
  let result: ValResult | undefined;
  await inFolder(shards, place, async (dir) => {
    await copyFiles(files, dir, signal);
    const observers = await filesOfValidation(dir, config, dataset, { batch, engine, imageFiles: false });
    const evaluation = await evaluateParts(parts, dataset, { observers, signal });
    report(evaluation, config.verbose);
    result = { summary: summarizeEvaluation(evaluation, dir), evaluation };
  });
  return { mode: 'val', ...result! };
}

/**
 * Fills a run folder, which is removed again if that fails.
 * @returns its path
 */
async function inFolder(
  shards: readonly ReadShard[],
  place: RunDirOptions,
  fill: (dir: string) => Promise<void>,
): Promise<string> {
  const folder = openRunDir(place, shards[0].mode);
  try {
    const same = shards.find(({ dir }) => resolve(dir) === resolve(folder.path));
    if (same) throw new UserError('same-folder', `${same.dir} is the folder of a shard`, 'choose another name=');
    await fill(folder.path);
    return folder.path;
  } catch (error) {
    if (!place.exist_ok) rmSync(folder.path, { recursive: true, force: true });
    throw error;
  } finally {
    folder.release();
  }
}

function summaryOf(shards: readonly ReadShard[], saveDir: string | undefined): PredictSummary {
  const done = shards.map((shard) => shard.done);
  const images = done.reduce((sum, one) => sum + one.images, 0);
  const mean = (stage: keyof Speed): number =>
    images && done.reduce((sum, { images: n, speed }) => sum + n * speed[stage], 0) / images;
  return {
    images,
    failed: done.flatMap(({ failed }) => failed),
    saveDir,
    labels: done.reduce((sum, { labels = 0 }) => sum + labels, 0),
    speed: { preprocess: mean('preprocess'), inference: mean('inference'), postprocess: mean('postprocess') },
    inputShape: done.findLast(({ inputShape }) => inputShape)?.inputShape,
    engine: [...new Set(shards.map(({ engine }) => engine))].join('; '),
  };
}

async function* resultsOf(shards: readonly ReadShard[]): AsyncGenerator<PredictResult> {
  for (const { dir } of shards) {
    const lines = createInterface({ input: createReadStream(join(dir, RESULTS)), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) yield JSON.parse(line) as PredictResult;
  }
}
