import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeTorch } from '../../src/export/torch.js';
import { specOf } from '../../src/nn/weights.js';
import { filesIn } from '../helpers/files-in.js';
import { liveModel } from '../helpers/live-model.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const model = join(dir, 'live.pt');
const yolo = (...args: string[]) => runCli(args, { cwd: dir });
let data: string;

beforeAll(async () => {
  const { names, ...checkpoint } = liveModel();
  data = await writeTinyData(dir, { train: 1, val: 5 });
  writeFileSync(data, readFileSync(data, 'utf8').replace(/names:.*/, 'names: [a, b, c]'));
  const three = { ...checkpoint, names: ['a', 'b', 'c'], trainArgs: { imgsz: 64 } };
  expect(names).toHaveLength(3);
  writeTorch(model, specOf(three), three, three.names, { half: false, version: '0' });
});

/** JSON lines without times. */
function results(stdout: string): unknown[] {
  const lines = stdout.trim().split('\n');
  return lines.map((line) => ({ ...JSON.parse(line), speed: 0, save_dir: '' }));
}

describe('yolo predict shard=i/n and yolo merge', () => {
  const source = 'source=images/val';

  it('processes of their own, at the same time, write what one writes; merged lines are those of one', async () => {
    const args = ['predict', `model=${model}`, source, 'save_txt', 'save_crop', 'json'];
    const one = await yolo(...args, 'project=one');
    expect(one.code).toBe(0);
    const parts = await Promise.all([1, 2, 3].map((i) => yolo(...args, 'project=all', `shard=${i}/3`)));
    expect(parts.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(parts.flatMap(({ stdout }) => results(stdout))).toEqual(results(one.stdout));
    expect(parts[1].stderr).toMatch(/Shard 2\/3: 2 of 5 sources \(2 to 3\)/);
    const [, command] = /when all are: yolo merge (\S+)/.exec(parts[1].stderr)!;
    const merged = await yolo('merge', command.replaceAll("'", ''), 'json');
    expect(merged.code, merged.stderr).toBe(0);
    expect(results(merged.stdout)).toEqual(results(one.stdout));
    expect(merged.stderr).toMatch(/Results saved to all.predict \(\d+ label files\)/);
    expect(filesIn(join(dir, 'all/predict'))).toEqual(filesIn(join(dir, 'one/predict')));
  });

  it('lines alone are merged, too, and no folder is made for them', async () => {
    const args = ['predict', `model=${model}`, source, 'save=false', 'json', 'project=lines'];
    const one = await yolo(...args);
    for (const i of [1, 2]) expect((await yolo(...args, `shard=${i}/2`)).code).toBe(0);
    const merged = await yolo('merge', 'lines/predict-shard-1-of-2', 'lines/predict-shard-2-of-2', 'json');
    expect(results(merged.stdout)).toEqual(results(one.stdout));
    expect([...filesIn(join(dir, 'lines')).keys()].filter((name) => !name.includes('shard'))).toEqual([]);
  });

  it('images that cannot be read: code 1 for the part and for all, and named', async () => {
    mkdirSync(join(dir, 'bad'));
    for (const [name, bytes] of filesIn(join(dir, 'images/val'))) writeFileSync(join(dir, 'bad', name), bytes);
    writeFileSync(join(dir, 'bad/9.jpg'), 'no image');
    const args = ['predict', `model=${model}`, 'source=bad', 'project=failed'];
    const codes = [1, 2].map(async (i) => (await yolo(...args, `shard=${i}/2`)).code);
    expect(await Promise.all(codes)).toEqual([0, 1]);
    const merged = await yolo('merge', 'failed/predict-shard-*');
    expect(merged.code).toBe(1);
    expect(merged.stderr).toMatch(/1 of 6 images could not be read:\n.*bad.9\.jpg/);
  });

  it.each([
    [['predict', `model=${model}`, source, 'shard=3/2'], /'shard=3\/2' is not allowed: shard takes i\/n with i from 1/],
    [['predict', `model=${model}`, source, 'shard=0/2'], /numbered from 1/],
    [['predict', `model=${model}`, 'source=0', 'shard=1/2'], /camera 0 has no end/],
    [['merge'], /'runs' is missing/],
    [['merge', 'images'], /images is not the complete run folder of a shard: it has no shard\.json/],
    [['merge', 'lines/predict-shard-1-of-2'], /1 of 2 shards are missing: 2\/2/],
    [['merge', 'lines/*', 'all/*'], /not of one job: number of shards/],
  ])('%j is refused with one message', async (args, text) => {
    const { code, stdout, stderr } = await yolo(...args);
    expect(stderr).toMatch(text);
    expect(stderr).not.toMatch(/\n\s+at |bug/);
    expect([code, stdout]).toEqual([2, '']);
  });
});

it('yolo val shard=i/n and yolo merge print the summary of one process', async () => {
  const args = ['val', `model=${model}`, `data=${data}`, 'json', 'plots=false', 'batch=2'];
  const one = await yolo(...args, 'project=v1');
  const parts = await Promise.all([1, 2].map((i) => yolo(...args, 'project=v2', `shard=${i}/2`)));
  expect(parts.map(({ code }) => code)).toEqual([0, 0]);
  expect(results(parts[0].stdout)).toMatchObject([{ shard: '1/2', images: 2 }]);
  const merged = await yolo('merge', 'v2/val-shard-*', 'json');
  expect(merged.code, merged.stderr).toBe(0);
  expect(results(merged.stdout)).toEqual(results(one.stdout));
  expect(merged.stderr).toContain('Results saved to');
});
