/** `yolo merge`: with json=true the results of predict, an object per image, or the summary of val on standard output. */
import type { ConfigOf } from '../../cfg/schema.js';
import { log } from '../../core/log.js';
import { stopCleanly } from '../interrupt.js';
import { printJson } from '../terminal.js';
import { sumUp } from './predict.js';

/** @returns 1 when predict could not read some images */
export async function run(config: ConfigOf<'merge'>): Promise<number> {
  const { mergeShards } = await import('../../engine/shards/merge.js');
  const stop = new AbortController();
  stopCleanly(stop, 'stopping');
  const merged = await mergeShards(config, { signal: stop.signal });
  if (merged.mode === 'val') {
    if (config.json) printJson(merged.summary);
    log.info(`Results saved to ${merged.summary.save_dir}`);
    return 0;
  }
  if (config.json) for await (const result of merged.results) printJson(result);
  return sumUp(merged.summary);
}
