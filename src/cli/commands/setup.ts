/** `yolo setup`: installs the engines, by the script that `npm run setup` runs in a clone. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../core/errors.js';

const WORDS = ['gpu', 'cpu', 'force'];

/**
 * @param words `gpu`: also the GPU engine; `cpu`: without it, even if there is a driver; `force`: rebuilds the addons
 * @returns the script's exit code
 * @throws UserError for another word
 */
export async function run(words: readonly string[] = []): Promise<number> {
  const script = fileURLToPath(new URL('../../../bin/setup.mjs', import.meta.url));
  if (words.length > 1 || !words.every((word) => WORDS.includes(word))) {
    throw new UserError(
      'bad-argument',
      `'setup ${words.join(' ')}' is not valid: setup takes one of ${WORDS.join(', ')}, or no argument`,
    );
  }
  const options = words.map((word) => `--${word}`);
  const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
