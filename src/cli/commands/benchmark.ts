/** `yolo benchmark`: one JSON object on standard output. */
import type { ConfigOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { printJson } from '../terminal.js';

export async function run(config: ConfigOf<'benchmark'>): Promise<number> {
  const needs = config.what === 'predict' ? 'source' : config.what === 'step' ? undefined : 'data';
  if (needs !== undefined && config[needs] === null) {
    throw new UserError(`missing-${needs}`, `benchmark what=${config.what} needs ${needs}=`);
  }
  const { benchmark } = await import('../../engine/benchmark.js');
  printJson(await benchmark(config));
  return 0;
}
