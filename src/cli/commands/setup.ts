/** `yolo setup`: puts the native engine in place; the same plain script that a clone's `npm run setup` runs. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * @param words `force` builds an engine that is there anew
 * @returns the script's exit code
 */
export async function run(words: readonly string[] = []): Promise<number> {
  const script = fileURLToPath(new URL('../../../bin/setup.mjs', import.meta.url));
  const options = words.includes('force') ? ['--force'] : [];
  const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
