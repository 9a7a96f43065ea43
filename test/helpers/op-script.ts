import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

/**
 * Runs a program in a process of its own, whose environment says which instruction set and how many threads there are.
 * @param script of an ES module; prints JSON, or `none` where the processor lacks something
 * @returns what it prints; undefined for `none`
 */
export function printedBy<T>(script: string, env: Record<string, string>): T | undefined {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(child.stderr).toBe('');
  return child.stdout.trim() === 'none' ? undefined : JSON.parse(child.stdout);
}
