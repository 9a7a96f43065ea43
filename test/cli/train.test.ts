import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tryLockFile } from '../../src/core/lock-file.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { runScript } from '../helpers/run-script.js';
import { writeLeastModel, writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const STACK = /\n\s+at |This is a bug/;
const dir = tmpDir();
const model = writeLeastModel(dir);
let data: string;
let keys: string[];

const run = (name: string): string => join(dir, name);
const last = (name: string): string => join(run(name), 'weights', 'last.safetensors');
const best = (name: string): string => join(run(name), 'weights', 'best.safetensors');
const rowsOf = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  await native();
  data = await writeTinyData(dir, { train: 4, val: 2 });
  keys = [`data=${data}`, `model=${model}`, `project=${dir}`, 'imgsz=64', 'workers=0', 'plots=false', 'json=true'];
});

describe('a run whose validation images vanish after the first of three epochs', () => {
  interface Lost {
    code: string;
    message: string;
    hint: string;
    exitCode: number;
    best: [before: string, after: string];
    left: string[];
  }
  let lost: Lost;

  beforeAll(async () => {
    const options = { data, project: dir, name: 'lost', imgsz: 64, batch: 4, epochs: 3, workers: 0, plots: false };
    const rates = { lr0: 0.01, momentum: 0.8, warmup_epochs: 0 };
    lost = await runScript<Lost>(
      dir,
      `
  const { createHash } = await import('node:crypto');
  const { readdirSync, readFileSync, renameSync } = await import('node:fs');
  const hash = () => createHash('sha1').update(readFileSync(${JSON.stringify(best('lost'))})).digest('hex');
  const yolo = await api.YOLO.load(${JSON.stringify(model)});
  let before;
  try {
    for await (const epoch of yolo.train(${JSON.stringify({ ...options, ...rates })})) {
      before = hash();
      renameSync(${JSON.stringify(join(dir, 'images/val'))}, ${JSON.stringify(join(dir, 'images/away'))});
    }
  } catch (error) {
    if (!(error instanceof api.UserError)) throw error;
    const { code, message, hint, exitCode } = error;
    const left = readdirSync(${JSON.stringify(run('lost'))});
    return { code, message, hint, exitCode, best: [before, hash()], left };
  }`,
    );
  });

  it('stops with one message that says how to go on, and keeps the best weights', () => {
    expect(lost).toMatchObject({ exitCode: 1 });
    expect(lost.message).toContain(join(dir, 'images/val'));
    expect(lost.hint).toContain(`go on with: yolo train resume=${last('lost')}`);
    expect(lost.best[1]).toBe(lost.best[0]);
    expect(lost.left.sort()).toEqual(['args.yaml', 'results.csv', 'weights']);
  });

  it('goes on at that validation, with the rates that it began with, and finds new best weights for those that are gone', async () => {
    const { renameSync } = await import('node:fs');
    renameSync(join(dir, 'images/away'), join(dir, 'images/val'));
    rmSync(best('lost'));
    const { code, stdout, stderr } = await runCli([
      'train',
      `resume=${run('lost')}`,
      'epochs=4',
      'json=true',
      'plots=true',
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(
      `${best('lost')} (epoch 1) is not there: the best of the epochs from here on takes its place`,
    );
    const rows = rowsOf(stdout);
    const summary = rows.pop();
    expect(rows.map(({ epoch }) => epoch)).toEqual([2, 3, 4]);
    // lr0 as it was given, although it is the default of the option: linear from 1 to lrf = 0.01 over four epochs
    expect(rows[1].lr).toBeCloseTo(0.01 * (0.5 * 0.99 + 0.01), 9);
    expect(rows[2].lr).toBeCloseTo(0.01 * (0.25 * 0.99 + 0.01), 9);
    expect(summary.mAP50).not.toBeNull();
    expect(existsSync(best('lost'))).toBe(true);
  });

  it('tells the commands that repeat it', () => {
    const { commands, optimizer, schedule } = JSON.parse(readSafetensors(last('lost')).metadata.run);
    expect({ optimizer, ...schedule }).toMatchObject({ optimizer: 'AdamW', lr0: 0.01, momentum: 0.8, epochs: 4 });
    expect(commands).toHaveLength(3);
    expect(commands[0]).toMatch(/^yolo train .*epochs=3/);
    expect(commands[0]).toMatch(/ lr0=0\.01 momentum=0\.8 /);
    expect(commands[1]).toBe('# interrupted in epoch 2, after batch 1, then:');
    expect(commands[2]).toBe(`yolo train resume=true project=${dir} epochs=4`);
    const page = readFileSync(join(run('lost'), 'report.html'), 'utf8');
    for (const command of commands) expect(page).toContain(command);
  });

  it('that is through is refused, but for its final validation when that is missing', async () => {
    const again = await runCli(['train', `resume=${run('lost')}`]);
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toContain('this run has done its 4 epochs');
    rmSync(best('lost'));
    const { code, stdout, stderr } = await runCli(['train', `resume=${run('lost')}`, 'json=true']);
    expect(code, stderr).toBe(0);
    expect(rowsOf(stdout)).toMatchObject([{ best: best('lost'), mAP50: expect.any(Number) }]);
    expect(existsSync(best('lost'))).toBe(true);
  });
});

describe('a run folder', () => {
  it('of a dead process is taken over; SIGTERM saves last and ends with 143, SIGHUP with 129', async () => {
    mkdirSync(join(run('stopped'), 'weights'), { recursive: true });
    const cutOff = join(run('stopped'), 'weights', '.last.safetensors.4194304-0-7.part');
    writeFileSync(cutOff, '');
    const lock = join(run('stopped'), '.lock');
    writeFileSync(lock, JSON.stringify({ pid: 4_194_304, host: (await import('node:os')).hostname() }));
    const stopAt = (signal: NodeJS.Signals) => ({
      onLine: (line: string, child: { kill(signal: NodeJS.Signals): boolean }) => {
        if (line.startsWith('{"epoch"')) child.kill(signal);
      },
    });
    const first = await runCli(
      ['train', ...keys, 'batch=4', 'epochs=400', 'name=stopped', 'exist_ok=true'],
      stopAt('SIGTERM'),
    );
    expect(first.stderr).toContain(`interrupted; go on with: yolo train resume=${last('stopped')}`);
    expect(first.code).toBe(143);
    expect([existsSync(lock), existsSync(cutOff)]).toEqual([false, false]);
    const { epoch } = rowsOf(first.stdout).at(-1);
    // One batch an epoch; the first one, in which the graph is made, is not done in a moment.
    const [, rate] = /1\/400 .* (\S+ s each|\S+\/s) \d+:\d\d$/m.exec(first.stderr)!;
    if (rate.endsWith('/s')) expect(Number.parseFloat(rate)).toBeLessThan(50);

    const second = await runCli(['train', `resume=${run('stopped')}`, 'json=true'], stopAt('SIGHUP'));
    expect(second.code, second.stderr).toBe(129);
    expect(rowsOf(second.stdout)[0].epoch).toBe(epoch + 1);
  });

  it('that is being written is refused to a second run', async () => {
    const { release } = tryLockFile(join(run('stopped'), '.lock'));
    const { code, stdout, stderr } = await runCli(['train', `resume=${run('stopped')}`]);
    release?.();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${run('stopped')} is being written by another run (process ${process.pid} on `);
    expect(stderr).not.toMatch(STACK);
  });

  it('that cannot be written to is told, and the checkpoint was read but once', async () => {
    mkdirSync(run('blocked'));
    writeFileSync(join(run('blocked'), 'weights'), 'not a folder');
    const weights = best('lost');
    const { code, stderr } = await runCli(
      ['train', ...keys, `model=${weights}`, 'epochs=1', 'name=blocked', 'exist_ok=true'],
      { node: [...countReads] },
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERROR cannot write .*blocked\/weights/);
    expect(stderr).not.toMatch(STACK);
    const [, read] = new RegExp(`READ (\\d+) ${weights}`).exec(stderr)!;
    const { size } = statSync(weights);
    expect(Number(read)).toBeGreaterThan(0.9 * size);
    expect(Number(read)).toBeLessThan(1.5 * size);
  });

  it('of a validation that was interrupted goes again', async () => {
    const folder = run('interrupted');
    let polling: NodeJS.Timeout | undefined;
    const args = [`model=${best('lost')}`, `data=${data}`, 'imgsz=64', `project=${dir}`, 'plots=false'];
    const { code, stderr } = await runCli(['val', ...args, 'name=interrupted'], {
      onLine(_, child) {
        polling ??= setInterval(() => {
          if (!existsSync(folder)) return;
          clearInterval(polling);
          child.kill('SIGINT');
        }, 5);
      },
    });
    expect(code, stderr).toBe(130);
    expect(stderr.trim().split('\n').at(-1)).toBe('interrupted');
    expect(existsSync(folder)).toBe(false);
  });
});

it('a second Ctrl-C ends a process that hangs in the middle of a write', async () => {
  let signals = 0;
  const { code, signal, stderr } = await runCli(['train', ...keys, 'batch=4', 'epochs=400', 'name=twice'], {
    node: [...stuckDisk],
    onLine(line, child) {
      const wanted = signals === 0 ? line.startsWith('{"epoch"') : line === 'the disk hangs';
      if (wanted && signals++ < 2) child.kill('SIGINT');
    },
  });
  expect(stderr).toContain('(Ctrl-C again: at once)');
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGINT' });
});

it('a gradient that is not finite is told from a loss that is not, and ends a run that has no checkpoint to go back to', async () => {
  const { code, stderr } = await runCli([
    'train',
    ...keys,
    'batch=1',
    'epochs=3',
    'val=false',
    'name=overflow',
    'cls=1e36',
  ]);
  expect(stderr).toMatch(/batch 1: the loss is finite \(box \d\S*, cls \d\S*, dfl \d\S*\), its gradient is not/);
  expect(stderr).toMatch(/ERROR loss or gradient stay non-finite/);
  expect(stderr).not.toMatch(STACK);
  expect(code).toBe(1);
});

/** A module that is loaded before the command. */
function preload(source: string): string[] {
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`];
}

/** Prints at the end how many bytes of each file were read. */
const countReads = preload(`
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { openSync, readSync } = fs;
const names = new Map(), read = new Map();
fs.openSync = (path, ...rest) => { const fd = openSync(path, ...rest); names.set(fd, String(path)); return fd; };
fs.readSync = (fd, ...rest) => { const n = readSync(fd, ...rest); read.set(names.get(fd), (read.get(names.get(fd)) ?? 0) + n); return n; };
syncBuiltinESMExports();
process.on('exit', () => { for (const [path, n] of read) process.stderr.write('READ ' + n + ' ' + path + '\\n'); });
`);

/** After the first Ctrl-C nothing that is flushed comes to an end. */
const stuckDisk = preload(`
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { fsyncSync } = fs;
let stuck = false;
process.once('SIGINT', () => { stuck = true; });
fs.fsyncSync = (fd) => {
  if (stuck) { process.stderr.write('the disk hangs\\n'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100_000); }
  return fsyncSync(fd);
};
syncBuiltinESMExports();
`);
