/** The process of a trial: `node gpu-trial-process.js REQUEST` writes the result as the last line of standard output. */
import { runTrial } from './gpu-trial.js';

process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
const result = await runTrial(JSON.parse(process.argv[2]));
process.stdout.write(`\n${JSON.stringify(result)}\n`);
