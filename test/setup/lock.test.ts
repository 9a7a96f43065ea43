import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder, tryLockFile, withLock } from '../../bin/setup/lock.mjs';
import { tmpDir } from '../helpers/tmp.js';

/** Process id of a program that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

/** A lock of this process, or of one like it. */
const lockOf = (difference: object): string => JSON.stringify({ pid: process.pid, host: hostname(), ...difference });

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
    ['whose process number has another process now', () => lockOf({ started: '1' }), 0],
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
    let done: Promise<string> | undefined;
    await new Promise<void>((resolve) => {
      done = withLock(
        folder,
        async () => 'done',
        () => resolve(),
      );
    });
    expect(existsSync(file)).toBe(true);
    rmSync(file);
    expect(await done).toBe('done');
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

describe('a lock file that is tried once', () => {
  it('is refused while it is held, with its owner, and can be had afterwards', () => {
    const file = join(tmpDir(), '.lock');
    const first = tryLockFile(file);
    expect(tryLockFile(file).owner).toMatchObject({ pid: process.pid, host: hostname() });
    first.release?.();
    const second = tryLockFile(file);
    expect(second.owner).toBeUndefined();
    second.release?.();
    expect(existsSync(file)).toBe(false);
  });

  it('of a living process stays its own, however long that is silent', () => {
    const file = join(tmpDir(), '.lock');
    const { release } = tryLockFile(file);
    utimesSync(file, 1, 1);
    expect(tryLockFile(file).owner).toBeDefined();
    release?.();
  });

  it('of a process that is gone is taken over at once', () => {
    const file = join(tmpDir(), '.lock');
    writeFileSync(file, lockOf({ pid: deadPid() }));
    const { release } = tryLockFile(file);
    expect(release).toBeDefined();
    release?.();
  });
});
