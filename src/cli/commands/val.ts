/** `yolo val`: the table on standard error; with json=true the summary as one object on standard output. */
import type { ValConfig } from '../../cfg/schema.js';
import { showBanner } from '../banner.js';
import { printJson } from '../terminal.js';

export async function run(config: ValConfig): Promise<number> {
  showBanner();
  const { validate } = await import('../../engine/val/validator.js');
  const { summary } = await validate(config);
  if (config.json) printJson(summary);
  return 0;
}
