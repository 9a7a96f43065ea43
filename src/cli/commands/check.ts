/** `yolo check`: the report on a dataset on standard output, as text or as one object with json=true. */
import type { ConfigOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { print, printJson } from '../terminal.js';
import { exampleOf } from '../words.js';

/** @returns 1 when training would be harmed */
export async function run(config: ConfigOf<'check'>): Promise<number> {
  if (config.data === null) {
    throw new UserError('missing-data', "'data' is missing: which dataset should be examined?", exampleOf('check'));
  }
  const { checkDataset } = await import('../../engine/doctor.js');
  const { report, lines, exitCode } = await checkDataset(config);
  if (config.json) printJson(report);
  else for (const line of lines) print(line);
  return exitCode;
}
