/** `yolo convert`: the files that were written, one per line on standard output; one object with json=true. */
import type { ConfigOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { print, printJson } from '../terminal.js';
import { exampleOf } from '../words.js';

export async function run(config: ConfigOf<'convert'>): Promise<number> {
  if (config.source === null) {
    throw new UserError('missing-source', "'source' is missing: what should be converted?", exampleOf('convert'));
  }
  const { convertDataset } = await import('../../engine/convert.js');
  const result = await convertDataset(config);
  if (config.json) printJson(result);
  else for (const file of result.files) print(file);
  return 0;
}
