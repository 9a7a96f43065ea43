/**
 * Puts a dataset in place before it is opened: fetches its archive when its pictures are missing, makes the one that the
 * word 'shapes' means. An archive is only unpacked; nothing in it is run.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type DataSpec, loadDataYaml, type Split, splitSources } from '../cfg/data-yaml.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { progress } from '../core/progress.js';
import { download } from '../io/fetch.js';
import { unpack } from '../io/unpack.js';
import { isShapes, makeShapes } from './shapes.js';

/** @returns the YAML to read: `data` itself, or that of the dataset that was made for the word 'shapes' */
export async function prepareData(data: string, splits: readonly Split[]): Promise<string> {
  if (isShapes(data)) return makeShapes(data);
  const spec = loadDataYaml(data);
  if (spec.download.length && splits.some((split) => isMissing(spec, split))) {
    for (const url of spec.download) await fetchArchive(url, spec.root);
  }
  return data;
}

function isMissing(spec: DataSpec, split: Split): boolean {
  if (!spec.splits[split]) return false;
  try {
    splitSources(spec, split);
    return false;
  } catch (error) {
    if (error instanceof UserError && error.code === 'missing-pictures') return true;
    throw error;
  }
}

/** Unpacks beside the dataset's folder: such archives hold that folder. */
async function fetchArchive(url: string, root: string): Promise<void> {
  const parent = dirname(root);
  mkdirSync(parent, { recursive: true });
  const file = join(parent, url.split(/[?#]/)[0].split('/').pop() || 'dataset.zip');
  log.info(`${root} is missing: fetching ${url}`);
  const task = progress.start('Fetching', undefined, 'bytes');
  try {
    if (!existsSync(file))
      await download(url, file, { maxBytes: 64 * 2 ** 30, onProgress: (done, total) => task.update(done, total) });
  } finally {
    task.end();
  }
  unpack(file, parent);
  rmSync(file, { force: true });
}
