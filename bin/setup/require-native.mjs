/**
 * Exits with code 1 and the reason if the native engine or its fused ops are missing. CI runs it after the set-up, for which
 * their absence is not an error: without them most tests would be skipped and the others would pass.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { engineDir, engineReady, lastFailure, setupCommand } from './paths.mjs';
import { say } from './process.mjs';

const problem = whatIsMissing();
if (problem) {
  say(`ERROR ${problem}`);
  process.exitCode = 1;
}

function whatIsMissing() {
  if (!engineReady()) {
    const failure = lastFailure();
    const reason = failure ? `: ${failure.why}. Needed: ${failure.faster}` : `. Needed: run "${setupCommand}"`;
    return `the native engine is missing${reason}`;
  }
  if (existsSync(join(engineDir(), 'fused.node'))) return undefined;
  return `the native engine has no fused ops: ${engineDir()} holds no fused.node. Needed: "${setupCommand} -- --force", which says why they do not compile`;
}
