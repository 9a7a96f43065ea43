/**
 * Puts a dataset in place before it is opened: fetches its archive when its pictures are missing. An archive is only
 * unpacked; nothing in it is run.
 */
import { existsSync } from 'node:fs';
import { loadDataYaml, type Split, splitSources } from '../cfg/data-yaml.js';
import { UserError } from '../core/errors.js';
import { isShapes, makeShapes } from './shapes.js';

/**
 * @returns the YAML to read: `data` itself, or that of the dataset that was made for the word 'shapes'
 */
export async function prepareData(data: string, splits: Split[]): Promise<string> {
  if (isShapes(data)) return makeShapes(data);
  const spec = loadDataYaml(data);
  if (!spec.download.length || existsSync(spec.root)) return data;
  for (const split of splits) {
    try {
      splitSources(spec, split);
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== 'missing-pictures') throw error;
    }
  }
  return data;
}
