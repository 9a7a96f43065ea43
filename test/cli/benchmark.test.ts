import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

vi.setConfig({ testTimeout: 300_000 });

const dir = tmpDir();

beforeAll(async () => {
  await native();
  writeTinyModel(dir);
  await writeTinyData(dir, { train: 4, val: 3 });
  const checkpoint = liveModel();
  saveCheckpoint(join(dir, 'live.safetensors'), { ...checkpoint, names: ['blue', 'red', 'green'] });
});

async function yolo(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runCli(args, { cwd: dir });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

const benchmark = (what: string, ...keys: string[]) => yolo('benchmark', `what=${what}`, 'imgsz=64', ...keys);
const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0, 'a number above 0');

it('what=step: seconds an image', async () => {
  const four = await benchmark('step', 'model=yolov8t.yaml', 'batch=2', 'steps=4');
  expect(four).toMatchObject({ what: 'step', imgsz: 64, batch: 2, engine: expect.stringMatching(/^TensorFlow/) });
  expect(four).toMatchObject({ median_s_per_image: positive, min_s_per_image: positive, peak_rss_mb: positive });
  expect(four.min_s_per_image).toBeLessThanOrEqual(four.median_s_per_image as number);
});

it('what=epoch: a whole training, with the figures that it wrote', async () => {
  const keys = [
    'data=data.yaml',
    'model=yolov8t.yaml',
    'epochs=1',
    'batch=2',
    'workers=0',
    'project=runs',
    'name=epoch',
  ];
  const result = await benchmark('epoch', ...keys);
  expect(result).toMatchObject({ what: 'epoch', epochs: 1, batch: 2, wall_s: positive, peak_rss_mb: positive });
  const [header, row] = readFileSync(join(dir, 'runs/epoch/results.csv'), 'utf8').trim().split('\n');
  const columns = header.split(',').map((name) => name.trim());
  const written = Number(row.split(',')[columns.indexOf('metrics/mAP50(B)')]);
  expect(result.mAP50).toBeCloseTo(written, 4);
  expect(existsSync(join(dir, 'runs/epoch/results.png'))).toBe(false); // plots are no part of what is timed
});

it('what=predict: seconds an image, nothing is written', async () => {
  const result = await benchmark(
    'predict',
    'model=live.safetensors',
    'source=images/val',
    'project=runs',
    'name=predict',
  );
  expect(result).toMatchObject({ what: 'predict', images: 3, batch: 1, s_per_image: positive, wall_s: positive });
  expect(result.ms).toEqual({ preprocess: positive, inference: positive, postprocess: positive });
  expect(existsSync(join(dir, 'runs/predict'))).toBe(false);
});

it('what=val: the figures of yolo val', async () => {
  const data = readFileSync(join(dir, 'data.yaml'), 'utf8').replace(/names: .*/, 'names: [blue, red, green]');
  writeFileSync(join(dir, 'three.yaml'), data);
  const keys = ['model=live.safetensors', 'data=three.yaml', 'workers=0', 'project=runs'];
  const [result, val] = [
    await benchmark('val', ...keys),
    await yolo('val', 'imgsz=64', 'plots=false', 'json=true', ...keys),
  ];
  expect(result).toMatchObject({
    what: 'val',
    images: 3,
    wall_s: positive,
    engine: expect.stringMatching(/^TensorFlow/),
  });
  for (const figure of ['precision', 'recall', 'mAP50', 'mAP50-95']) expect(result[figure], figure).toBe(val[figure]);
});

it('what=all: every command in a process of its own, a table and a file', async () => {
  const keys = ['model=live.safetensors', 'data=three.yaml', 'imgsz=64', 'batch=2', 'epochs=1', 'steps=1', 'repeats=2'];
  const { code, stdout, stderr } = await runCli(['benchmark', 'what=all', ...keys, 'workers=0', 'project=all'], {
    cwd: dir,
  });
  expect(code, stderr).toBe(0);
  const { measures, ...machine } = JSON.parse(readFileSync(join(dir, 'all/benchmark/benchmark.json'), 'utf8'));
  expect(machine).toMatchObject({ repeats: 2, cores: positive, node: process.versions.node });
  const names = measures.map(({ name }: { name: string }) => name);
  const expected = [
    'val',
    'predict',
    'predict, saving',
    'predict one image',
    'training step 64 b2',
    'train, 1 epochs 64 b2',
  ];
  expect(names.slice(0, 6)).toEqual(expected);
  for (const measure of measures) {
    expect(measure).toMatchObject({ median_s: positive, min_s: positive, max_s: positive, peak_rss_mb: positive });
    expect(measure.seconds).toHaveLength(2);
    expect(measure.min_s).toBeLessThanOrEqual(measure.max_s);
  }
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(1 + measures.length);
  expect(lines[0]).toMatch(/^measure +precision +median s/);
  expect(lines[1]).toMatch(/^val +float32 +\d+\.\d{3} /);
  expect(stderr).toContain(`Results saved to ${join('all', 'benchmark', 'benchmark.json')}`);
});

it('what=all: a command that fails is named, and nothing is left', async () => {
  const { code, stderr } = await runCli(
    ['benchmark', 'what=all', 'model=live.safetensors', 'data=data.yaml', 'imgsz=64', 'name=fails', 'project=all'],
    { cwd: dir },
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ERROR val: the model has 3 classes/m);
  expect(stderr).toMatch(/^the command: yolo val model=live\.safetensors/m);
  expect(existsSync(join(dir, 'all/fails'))).toBe(false);
});

it('what=all needs data', async () => {
  const { code, stderr } = await runCli(['benchmark', 'what=all', 'model=live.safetensors'], { cwd: dir });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^ERROR benchmark what=all needs data=$/m);
});
