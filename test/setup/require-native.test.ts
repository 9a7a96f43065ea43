import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tmpDir } from '../helpers/tmp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PATHS = join(ROOT, 'bin/setup/paths.mjs');

function runNode(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...env } });
}

/** A cache whose engine holds these files. */
function cacheWith(files: string[]): { YOLO_CACHE: string } {
  const env = { YOLO_CACHE: tmpDir() };
  const script = `console.log((await import(${JSON.stringify(PATHS)})).engineDir())`;
  const engine = runNode(['--input-type=module', '-e', script], env).stdout.trim();
  mkdirSync(engine, { recursive: true });
  for (const file of files) writeFileSync(join(engine, file), '{}');
  return env;
}

it.each([
  { files: [], status: 1, message: /^ERROR the native engine is missing\. Needed: run "npm run setup"\n$/ },
  { files: ['engine.json'], status: 1, message: /^ERROR the native engine has no fused ops: .*fused\.node/ },
  { files: ['engine.json', 'fused.node'], status: 0, message: /^$/ },
])('with $files in the engine folder, CI goes on: $status (0 yes, 1 no)', ({ files, status, message }) => {
  const run = runNode(['bin/setup/require-native.mjs'], cacheWith(files));
  expect(run.stderr).toMatch(message);
  expect(run.status).toBe(status);
});

it('says why the set-up gave no engine', () => {
  const env = cacheWith([]);
  const script = `console.log((await import(${JSON.stringify(PATHS)})).failureFile())`;
  const file = runNode(['--input-type=module', '-e', script], env).stdout.trim();
  writeFileSync(file, JSON.stringify({ why: 'no compiler was found', faster: 'install one', at: 0 }));
  const { status, stderr } = runNode(['bin/setup/require-native.mjs'], env);
  expect(stderr).toBe('ERROR the native engine is missing: no compiler was found. Needed: install one\n');
  expect(status).toBe(1);
});

it('the tests themselves: without an engine a plain run goes on and says so, CI does not', () => {
  const vitest = ['node_modules/vitest/vitest.mjs', 'list', 'test/core/suggest.test.ts'];
  const none = cacheWith([]);
  const plain = runNode(vitest, { ...none, CI: '' });
  expect(plain.stderr).toMatch(/There is no native engine here: \d+ test files that need it are left out\./);
  expect(plain.status).toBe(0);
  const ci = runNode(vitest, { ...none, CI: 'true' });
  expect(ci.stderr).toContain('There is no native engine here, and CI must have one');
  expect(ci.status).not.toBe(0);
});

it('.ci/run asks, after the set-up and before the tests, and says that it is CI', () => {
  const lines = readFileSync(join(ROOT, '.ci/run'), 'utf8').split('\n');
  const order = [
    'set -euo pipefail',
    'export CI=true',
    'npm run setup',
    'node bin/setup/require-native.mjs',
    'npm test',
  ];
  const at = order.map((line) => lines.findIndex((text) => text.startsWith(line)));
  expect(at.every((line) => line >= 0)).toBe(true);
  expect(at).toEqual([...at].sort((a, b) => a - b));
});
