import { statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { bytesOf } from '../../src/io/typed.js';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

beforeAll(async () => {
  await native();
});

const lastLine = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!);

/** Bytes of each weight. */
function weightsOf(path: string): Record<string, string> {
  const { tensors } = readSafetensors(path, { only: (name) => !name.startsWith('train/') });
  const bytes = [...tensors].map(([name, { data }]) => [name, Buffer.from(bytesOf(data)).toString('base64')]);
  return Object.fromEntries(bytes.sort());
}

it('best holds weights alone, last resumes: yolo train, val, export, resume=best, resume=RUN epochs=2', async () => {
  const dir = tmpDir();
  const data = await writeTinyData(dir, { train: 4, val: 2 });
  const keys = [`data=${data}`, `model=${writeTinyModel(dir)}`, 'imgsz=64', 'batch=4', 'plots=false', 'workers=0'];
  const first = await runCli(['train', ...keys, 'epochs=1', `project=${dir}`, 'name=run', 'json=true']);
  expect(first.code, first.stderr).toBe(0);
  const { best, last, 'mAP50-95': mAP } = lastLine(first.stdout);
  expect(statSync(best).size * 4).toBeLessThan(statSync(last).size);
  const weights = weightsOf(last);
  expect(weightsOf(best)).toEqual(weights);
  expect([...readSafetensors(best).tensors.keys()].filter((name) => name.startsWith('train/'))).toEqual([]);

  const val = await runCli([
    'val',
    `model=${best}`,
    ...keys.slice(0, 1),
    ...keys.slice(2, 5),
    `project=${dir}`,
    'json=true',
  ]);
  expect(lastLine(val.stdout)['mAP50-95'], val.stderr).toBe(mAP);

  const stripped = await runCli(['export', `model=${last}`, 'format=safetensors', 'imgsz=64', 'json=true']);
  expect(stripped.code, stripped.stderr).toBe(0);
  const [file] = lastLine(stripped.stdout).files;
  expect(file).toBe(last.replace('.safetensors', '_weights.safetensors'));
  expect(weightsOf(file)).toEqual(weights);
  expect(statSync(file).size * 4).toBeLessThan(statSync(last).size);

  const refused = await runCli(['train', `resume=${best}`]);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain(`resume=${last}`);

  const second = await runCli(['train', `resume=${join(dir, 'run')}`, 'epochs=2', 'json=true']);
  expect(second.code, second.stderr).toBe(0);
  const [row, summary] = second.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(row.epoch).toBe(2);
  expect(summary.save_dir).toBe(join(dir, 'run'));
});
