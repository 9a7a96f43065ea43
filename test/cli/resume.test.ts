import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { bytesOf } from '../../src/io/typed.js';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

/** A run of one epoch. */
const dir = tmpDir();
let keys: string[];
let best: string;
let last: string;
let mAP: number;

const lastLine = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!);

/** Bytes of each weight. */
function weightsOf(path: string): Record<string, string> {
  const { tensors } = readSafetensors(path, { only: (name) => !name.startsWith('train/') });
  const bytes = [...tensors].map(([name, { data }]) => [name, Buffer.from(bytesOf(data)).toString('base64')]);
  return Object.fromEntries(bytes.sort());
}

beforeAll(async () => {
  await native();
  const data = await writeTinyData(dir, { train: 4, val: 2 });
  keys = [`data=${data}`, 'imgsz=64', 'batch=4', 'plots=false', 'workers=0', `project=${dir}`, 'json=true'];
  const run = await runCli(['train', ...keys, `model=${writeTinyModel(dir)}`, 'epochs=1', 'name=run']);
  expect(run.code, run.stderr).toBe(0);
  ({ best, last, 'mAP50-95': mAP } = lastLine(run.stdout));
});

it('best holds the EMA weights of last and nothing else; yolo val finds in it what the run found', async () => {
  expect(statSync(best).size * 4).toBeLessThan(statSync(last).size);
  expect(weightsOf(best)).toEqual(weightsOf(last));
  expect([...readSafetensors(best).tensors.keys()].filter((name) => name.startsWith('train/'))).toEqual([]);
  const val = await runCli(['val', ...keys, `model=${best}`]);
  expect(lastLine(val.stdout)['mAP50-95'], val.stderr).toBe(mAP);
});

it('yolo export format=safetensors takes the weights alone out of last, and leaves last as it is', async () => {
  const before = readFileSync(last);
  const { code, stdout, stderr } = await runCli([
    'export',
    `model=${last}`,
    'format=safetensors',
    'imgsz=64',
    'json=true',
  ]);
  expect(code, stderr).toBe(0);
  const [file] = lastLine(stdout).files;
  expect(file).toBe(last.replace('.safetensors', '_weights.safetensors'));
  expect(weightsOf(file)).toEqual(weightsOf(last));
  expect(statSync(file).size * 4).toBeLessThan(before.length);
  expect(readFileSync(last).equals(before)).toBe(true);
});

it('resume=best is refused and last is named; resume=RUN epochs=2 goes on', async () => {
  const refused = await runCli(['train', `resume=${best}`]);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain(`resume=${last}`);
  const { code, stdout, stderr } = await runCli(['train', `resume=${join(dir, 'run')}`, 'epochs=2', 'json=true']);
  expect(code, stderr).toBe(0);
  const [row, summary] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(row.epoch).toBe(2);
  expect(summary.save_dir).toBe(join(dir, 'run'));
});
