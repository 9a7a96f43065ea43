import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

beforeAll(async () => {
  await native();
});

it('a finished run goes on in a process of its own: yolo train resume=RUN epochs=2', async () => {
  const dir = tmpDir();
  const data = await writeTinyData(dir, { train: 4, val: 2 });
  const keys = [`data=${data}`, `model=${writeTinyModel(dir)}`, 'imgsz=64', 'batch=4', 'plots=false', 'workers=0'];
  const first = await runCli(['train', ...keys, 'epochs=1', `project=${dir}`, 'name=run', 'json=true']);
  expect(first.code, first.stderr).toBe(0);
  const second = await runCli(['train', `resume=${join(dir, 'run')}`, 'epochs=2', 'json=true']);
  expect(second.code, second.stderr).toBe(0);
  const [row, summary] = second.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(row.epoch).toBe(2);
  expect(summary.save_dir).toBe(join(dir, 'run'));
});
