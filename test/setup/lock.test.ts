import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder, withLock } from '../../bin/setup/lock.mjs';
import { tmpDir } from '../helpers/tmp.js';

/** Process id of a program that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

describe('the lock of the set-up', () => {
  it('lets one work at a time', async () => {
    const folder = tmpDir();
    let inside = 0;
    let most = 0;
    let waited = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 30));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(folder, work, () => waited++)));
    expect([most, waited]).toEqual([1, 2]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    const folder = tmpDir();
    const fail = () => Promise.reject(new Error('no disk'));
    await expect(withLock(folder, fail)).rejects.toThrow('no disk');
    expect(await withLock(folder, async () => 'done')).toBe('done');
  });

  it.each([
    ['whose process has ended', () => JSON.stringify({ pid: deadPid(), host: hostname() }), 0],
    ['of another machine that was silent for long', () => JSON.stringify({ pid: 1, host: 'elsewhere' }), 3600],
    ['that was cut off while it was written, long ago', () => '{"pi', 3600],
  ])('a lock %s is taken over', async (_, text, age) => {
    const folder = tmpDir();
    const file = join(folder, 'setup.lock');
    writeFileSync(file, text());
    const then = Date.now() / 1000 - age;
    utimesSync(file, then, then);
    expect(await withLock(folder, async () => 'done')).toBe('done');
    expect(existsSync(file)).toBe(false);
  });

  it('of a living process is waited for', async () => {
    const folder = tmpDir();
    const file = join(folder, 'setup.lock');
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname() }));
    const waiting = new Promise<void>((resolve) => {
      void withLock(
        folder,
        async () => {},
        () => resolve(),
      );
    });
    await waiting;
    expect(existsSync(file)).toBe(true);
    const { rmSync } = await import('node:fs');
    rmSync(file);
  });

  it('sweeps what an interrupted set-up left, and nothing else', async () => {
    const folder = tmpDir();
    mkdirSync(join(folder, 'tmp-123-abc/deep'), { recursive: true });
    mkdirSync(join(folder, 'datasets'));
    let during: string[] = [];
    await withLock(folder, async () => {
      during = readdirSync(folder);
      expect(existsSync(temporaryFolder(folder))).toBe(true);
    });
    expect(during.sort()).toEqual(['datasets', 'setup.lock']);
  });
});
