/** `yolo checks`: the engine, versions, the machine, and what is missing. */
import { print } from '../terminal.js';
import { version } from '../version.js';

export async function run(): Promise<number> {
  const { collectChecks, formatChecks } = await import('../../engine/checks.js');
  for (const line of formatChecks(await collectChecks(version()))) print(line);
  return 0;
}
