import { beforeAll, describe, expect, it } from 'vitest';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
let keys: string[];

beforeAll(async () => {
  await native();
  const data = await writeTinyData(dir, { train: 6, val: 2 });
  keys = [`data=${data}`, `model=${writeTinyModel(dir)}`, `project=${dir}`, 'imgsz=64', 'batch=1', 'workers=0'];
  keys.push('plots=false', 'json=true');
});

describe('a gradient that is not finite', () => {
  it('is told from a loss that is not, and ends a run that has no checkpoint to go back to', async () => {
    const { code, stderr } = await runCli(['train', ...keys, 'name=overflow', 'cls=1e36']);
    expect(stderr).toMatch(/batch 1: the loss is finite \(box \d\S*, cls \d\S*, dfl \d\S*\), its gradient is not/);
    expect(stderr.match(/this batch is left out/g)).toHaveLength(5);
    expect(stderr).toMatch(/ERROR loss or gradient stay non-finite and there is no checkpoint/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
  });
});
