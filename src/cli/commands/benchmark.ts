/** `yolo benchmark`: one JSON object on standard output; what=all: a table, and a file. */
import { fileURLToPath } from 'node:url';
import type { ConfigOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { textTable } from '../../core/text-table.js';
import type { Measured } from '../../engine/benchmark-all.js';
import { out, print, printJson } from '../terminal.js';

const MEASURED = fileURLToPath(new URL('../measured.js', import.meta.url));

export async function run(config: ConfigOf<'benchmark'>): Promise<number> {
  const needs = config.what === 'predict' ? 'source' : config.what === 'step' ? undefined : 'data';
  if (needs !== undefined && config[needs] === null) {
    throw new UserError(`missing-${needs}`, `benchmark what=${config.what} needs ${needs}=`);
  }
  if (config.what === 'all') {
    const { measureAll } = await import('../../engine/benchmark-all.js');
    const { file, measures } = await measureAll(config, MEASURED);
    for (const line of table(measures)) print(line);
    log.info(`Results saved to ${file}`);
    return 0;
  }
  const { benchmark } = await import('../../engine/benchmark.js');
  printJson(await benchmark(config));
  return 0;
}

/** Lines of the table. */
function table(results: readonly Measured[]): string[] {
  const header = ['measure', 'precision', 'median s', 'min s', 'max s', 'ms an image', 'peak MB'];
  const rows = results.map((r) => [
    r.name,
    r.precision,
    ...[r.median_s, r.min_s, r.max_s].map((value) => value.toFixed(3)),
    r.s_per_image === undefined ? '' : (1000 * r.s_per_image).toFixed(1),
    String(r.peak_rss_mb),
  ]);
  const [head, ...lines] = textTable([header, ...rows], 2);
  return [out.bold(head), ...lines];
}
