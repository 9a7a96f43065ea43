/** A mode whose keys are known and whose work is not there yet. */
import type { Config } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';

export async function run({ mode }: Config): Promise<number> {
  throw new UserError('not-built', `'yolo ${mode}' is not built yet`, undefined, 1);
}
