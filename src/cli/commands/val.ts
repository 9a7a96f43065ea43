/** `yolo val`: the table on standard error; with json=true the summary as one object on standard output. */
import type { ValConfig } from '../../cfg/schema.js';
import { showBanner } from '../banner.js';
import { Stages } from '../stages.js';
import { printJson } from '../terminal.js';

export async function run(config: ValConfig): Promise<number> {
  showBanner();
  const { validate } = await import('../../engine/val/validator.js');
  const bars = new Stages({
    scan: [`Scanning ${config.data ?? 'the dataset'}`, 'images'],
    val: ['Validating', 'batches'],
  });
  try {
    const { summary } = await validate(config, { onProgress: (stage, done, total) => bars.update(stage, done, total) });
    if (config.json) printJson(summary);
    return 0;
  } finally {
    bars.end();
  }
}
