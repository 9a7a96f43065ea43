/** `yolo checks`: the engine, versions, the machine, and what is missing. */
import { keepStdoutForResults, print, printJson } from '../terminal.js';
import { version } from '../version.js';

/** @param json the report as one object */
export async function run(json: boolean): Promise<number> {
  keepStdoutForResults();
  const { collectChecks, formatChecks } = await import('../../engine/checks.js');
  const report = await collectChecks(version());
  if (json) printJson(report);
  else for (const line of formatChecks(report)) print(line);
  return 0;
}
