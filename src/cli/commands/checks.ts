/** `yolo checks`: the engine, versions, the machine, and what is missing. `yolo checks gpu`: a test of the GPU. */
import { UserError } from '../../core/errors.js';
import { version } from '../../core/version.js';
import { keepStdoutForResults, print, printJson } from '../terminal.js';

/**
 * @param words nothing, or `gpu` @param json the report as one object
 * @returns 1 where `gpu` finds something that does not work
 * @throws UserError for another word
 */
export async function run(words: readonly string[], json: boolean): Promise<number> {
  const other = words.find((word) => word !== 'gpu' && word !== 'json');
  if (other !== undefined)
    throw new UserError('bad-argument', `'checks ${other}' is not valid: checks takes gpu or no argument`);
  keepStdoutForResults();
  if (words.includes('gpu')) return runGpu(json || words.includes('json'));
  const { collectChecks, formatChecks } = await import('../../engine/checks/checks.js');
  const report = await collectChecks(version());
  if (json || words.includes('json')) printJson(report);
  else for (const line of formatChecks(report)) print(line);
  return 0;
}

async function runGpu(json: boolean): Promise<number> {
  const { checkGpu, formatGpuChecks } = await import('../../engine/checks/gpu.js');
  const report = await checkGpu(version());
  if (json) printJson(report);
  else for (const line of formatGpuChecks(report)) print(line);
  return report.problems.length > 0 ? 1 : 0;
}
