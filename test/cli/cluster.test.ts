/** Training on several workers, through the command: processes of their own, on loopback. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { native } from '../helpers/native.js';
import { type CliOptions, runCli } from '../helpers/run-cli.js';
import { writeLeastModel, writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const dir = tmpDir();
let keys: string[];

beforeAll(async () => {
  await native();
  const data = await writeTinyData(dir, { train: 10, val: 5 });
  keys = ['train', `data=${data}`, `model=${writeLeastModel(dir)}`, `project=${dir}`, 'imgsz=64', 'batch=4', 'nbs=8'];
  // amp=false: the numbers of several are compared with those of one to the rounding of float32
  keys.push('epochs=3', 'optimizer=SGD', 'lr0=0.001', 'warmup_epochs=0', 'plots=false', 'timeout=60', 'amp=false');
});

const run = (name: string, more: string[], options?: CliOptions) => runCli([...keys, `name=${name}`, ...more], options);
const rows = (name: string): number[][] =>
  readFileSync(join(dir, name, 'results.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));

const weights = (name: string): Map<string, Float32Array> =>
  new Map(
    [...readSafetensors(join(dir, name, 'weights/last.safetensors')).tensors].map(([key, { data }]) => [
      key,
      new Float32Array(data.slice().buffer),
    ]),
  );

/** Largest difference of the elements of weights and statistics, of the largest element of each tensor. */
function difference(a: Map<string, Float32Array>, b: Map<string, Float32Array>): number {
  const of = (x: Float32Array, y: Float32Array): number => {
    const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]) / largest), 0);
  };
  return Math.max(
    ...[...a].filter(([name]) => !/^train\/(slots|sums)/.test(name)).map(([name, x]) => of(x, b.get(name)!)),
  );
}

describe('yolo train processes=n', () => {
  it('trains as one process does, with sync_bn, the last batches partial or empty for some', async () => {
    const one = await run('one', []);
    expect(one.code, one.stderr).toBe(0);
    // Of the ten images, the last batch has two: with four workers two of them have none.
    for (const [name, n] of [
      ['two', 2],
      ['four', 4],
    ] as const) {
      const several = await run(name, [`processes=${n}`, 'sync_bn=true', 'json=true']);
      expect(several.code, several.stderr).toBe(0);
      expect(several.stdout.trim().split('\n')).toHaveLength(4); // of one worker: three epochs and the summary
      expect(difference(weights('one'), weights(name))).toBeLessThan(5e-6);
      rows('one').forEach((row, epoch) => {
        // Losses of training and validation, rates; results.csv has six digits.
        for (const column of [2, 3, 4, 9, 10, 11, 12, 13, 14])
          expect(rows(name)[epoch][column] / row[column]).toBeCloseTo(1, 3);
      });
    }
  });

  it('listens on the loopback address alone, and only one worker writes', async () => {
    const listening: string[] = [];
    const { code, stderr } = await run('listens', ['processes=2', 'epochs=1'], {
      onLine(line) {
        const port = /listens on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (!port || process.platform !== 'linux') return;
        const hex = Number(port).toString(16).toUpperCase().padStart(4, '0');
        for (const file of ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync))
          for (const row of readFileSync(file, 'utf8').split('\n')) {
            const [, local, , state] = row.trim().split(/\s+/);
            if (state === '0A' && local.endsWith(`:${hex}`)) listening.push(local.split(':')[0]);
          }
      },
    });
    expect(code, stderr).toBe(0);
    const loopback = ['0100007F', '0000000000000000FFFF00000100007F'];
    if (process.platform === 'linux') expect(listening.filter((address) => loopback.includes(address))).toHaveLength(1);
    expect(listening.filter((address) => !loopback.includes(address))).toEqual([]);
    expect(existsSync(join(dir, 'listens-2'))).toBe(false);
  });

  it('starts all workers again when one is killed, and ends with the same bits', async () => {
    expect((await run('whole', ['processes=2', 'epochs=4'])).code).toBe(0);
    let killed = false;
    const { code, stderr } = await run('killed', ['processes=2', 'epochs=4'], {
      onLine(line, child) {
        if (killed || !/^ +2\/4 .*s/.test(line)) return;
        killed = true;
        const workers = execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' });
        process.kill(Number(workers.trim().split(/\s+/).at(-1)), 'SIGKILL');
      },
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^WARNING worker \d was ended by SIGKILL; starting all again \(1 of 3\)$/m);
    expect(stderr.match(/Resuming/g)).toHaveLength(1);
    const [whole, restarted] = [weights('whole'), weights('killed')];
    for (const [name, values] of whole) expect(restarted.get(name), name).toEqual(values);
    const untimed = (name: string) => rows(name).map(([epoch, , ...rest]) => [epoch, ...rest]);
    expect(untimed('killed')).toEqual(untimed('whole'));
  });

  it('goes on with another number of workers', async () => {
    const { code, stderr } = await runCli(['train', `resume=${join(dir, 'whole')}`, 'epochs=5', 'processes=4']);
    expect(code, stderr).toBe(0);
    expect(rows('whole').map(([epoch]) => epoch)).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([
    [['processes=3'], "batch=4 can't be divided among 3 workers"],
    [['processes=2', 'batch=-1'], 'batch=-1 needs a single process'],
    [['processes=2', 'data=nowhere.yaml'], "no dataset 'nowhere.yaml' found"],
  ])('%j ends with one message and code 2', async (more, message) => {
    const { code, stderr } = await run('refused', more);
    expect(code).toBe(2);
    expect(stderr.match(/ERROR/g)).toHaveLength(1);
    expect(stderr).toContain(`ERROR ${message}`);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(join(dir, 'refused'))).toBe(false);
  });
});

describe('workers by TF_CONFIG', () => {
  const cluster = (index: number, ports: number[]): NodeJS.ProcessEnv => ({
    TF_CONFIG: JSON.stringify({
      cluster: { worker: ports.map((port) => `127.0.0.1:${port}`) },
      task: { type: 'worker', index },
    }),
  });

  it('that were started differently all say so', async () => {
    const ports = [0, 1].map((i) => 20000 + ((process.pid * 2 + i) % 10000));
    const both = await Promise.all(
      [0, 1].map((i) => run('differ', [`lr0=${0.001 * (i + 1)}`], { env: cluster(i, ports) })),
    );
    for (const { code, stderr } of both) {
      expect(code).toBe(2);
      expect(stderr).toContain('ERROR worker 1 was started with lr0=0.002, worker 0 with lr0=0.001');
    }
    expect(both[1].stdout + both[1].stderr.replace(/^ERROR.*\n.*\n/m, '')).toBe('');
  });

  it.each([0, 1])('end with one message when another never comes (%i is alone)', async (index) => {
    const port = 20000 + ((process.pid * 2) % 10000);
    const { code, stderr } = await run('alone', ['timeout=3'], { env: cluster(index, [port, port + 1]) });
    expect(code).toBe(1);
    expect(stderr).toContain(`ERROR worker ${1 - index} (127.0.0.1:${port + 1 - index}) does not answer\n`);
    expect(stderr).not.toMatch(/\n\s+at |^[EWI]\d{4} /m);
  });
});
