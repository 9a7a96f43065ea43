import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { engineReady } from './bin/setup/paths.mjs';

/** Test files about the native engine (they import helpers/native.js): left out, aloud, where a machine can't have it; not in CI. */
function withoutEngine(): string[] {
  if (engineReady()) return [];
  if (process.env.CI) throw new Error('There is no native engine here, and CI must have one: npm run setup');
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.test.ts') && readFileSync(file, 'utf8').includes("helpers/native.js'"));
  process.stderr.write(`There is no native engine here: ${files.length} test files that need it are left out.\n`);
  return files;
}

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/fresh-build.ts'],
    include: ['test/**/*.test.ts'],
    exclude: ['test/reference/**', ...withoutEngine()],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
