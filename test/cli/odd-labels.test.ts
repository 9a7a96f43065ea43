import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { rng } from '../../src/core/rng.js';
import { encodeImage } from '../../src/image/codec.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliRun, runCli } from '../helpers/run-cli.js';
import { writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const STACK = /\n\s+at |bug/;
const dir = tmpDir();
let model: string;

beforeAll(async () => {
  const png = await encodeImage({ data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64 }, 'png');
  for (const folder of ['images', 'labels']) mkdirSync(join(dir, folder));
  for (const name of ['a', 'b']) writeFileSync(join(dir, 'images', `${name}.png`), png);
  model = join(dir, 'tiny.safetensors');
  saveCheckpoint(model, liveModel());
});

/** @param rows of the first image's labels @returns the dataset's YAML */
function data(rows: string, names = '[a, b, c]'): string {
  writeFileSync(join(dir, 'labels/a.txt'), rows);
  writeFileSync(join(dir, 'labels/b.txt'), '1 0.5 0.5 0.5 0.5\n');
  writeFileSync(join(dir, 'data.yaml'), `train: images\nval: images\nnames: ${names}\n`);
  return join(dir, 'data.yaml');
}

function rows(count: number): string {
  const random = rng(count);
  const row = (): string =>
    `0 ${[0.1, 0.1, 0.02, 0.02].map((low) => random.uniform(low, low + (low < 0.1 ? 0.05 : 0.8)).toFixed(6)).join(' ')}\n`;
  return Array.from({ length: count }, row).join('');
}

const yolo = (...args: string[]): Promise<CliRun> =>
  runCli([...args, 'plots=false', `project=${join(dir, 'runs')}`, 'exist_ok']);

describe('labels of the odd kind', () => {
  it('a file of 300,000 rows is told in one line', async () => {
    const { stdout, stderr } = await runCli(['check', `data=${data(rows(300_000))}`, 'json=true']);
    const { notes, splits } = JSON.parse(stdout);
    expect(notes.find(({ kind }: { kind: string }) => kind === 'too-many-labels').count).toBe(1);
    expect([splits[0].images, splits[0].corrupt]).toEqual([1, 1]);
    expect(stderr).not.toMatch(STACK);
  });

  it.runIf(engineReady())('a label without any extent leaves the loss of validation a number', async () => {
    const path = data('0 0.5 0.5 1e-9 1e-9\n0 0.31 0.47 1e-9 1e-9\n0 0.3 0.3 0.4 0.4\n');
    const { stdout, stderr } = await yolo('val', `model=${model}`, `data=${path}`, 'imgsz=64', 'json=true');
    expect(stderr).not.toMatch(STACK);
    for (const loss of Object.values(JSON.parse(stdout).loss)) expect(loss).toEqual(expect.any(Number));
  });

  it.runIf(engineReady())('an image of 8,000 labels can be learnt from', async () => {
    const args = ['epochs=1', 'imgsz=32', 'batch=2', 'workers=0', 'val=false', 'mosaic=0'];
    const { code, stderr } = await yolo('train', `model=${writeTinyModel(dir)}`, `data=${data(rows(8_000))}`, ...args);
    expect(stderr).not.toMatch(STACK);
    expect(code).toBe(0);
  });
});

describe('names of classes of 5,000 characters', () => {
  const long = 'x'.repeat(5000);
  it('in a dataset are refused in a line', async () => {
    const { code, stderr } = await runCli(['check', `data=${data('', `[${long}, b, c]`)}`]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/the name of class 0 has 5000 characters; at most 200/);
    expect(stderr.length).toBeLessThan(1000);
  });

  it('in a model are refused in a line; those of 200 are names of folders', async () => {
    const checkpoint = liveModel();
    const named = (name: string): string => {
      const path = join(dir, 'named.safetensors');
      saveCheckpoint(path, { ...checkpoint, names: checkpoint.names.map((_, i) => `${i}${name}`) });
      return path;
    };
    const predict = (path: string): Promise<CliRun> =>
      runCli(
        [
          'predict',
          `model=${path}`,
          `source=${join(dir, 'images')}`,
          'imgsz=32',
          'conf=0.05',
          'save_crop',
          'save=false',
          `project=${join(dir, 'runs')}`,
          'exist_ok',
        ],
        { env: { YOLO_ENGINE: 'wasm' } },
      );
    const refused = await predict(named(long));
    expect(refused).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/class 0 has 5001 characters/),
    });
    expect(refused.stderr.length).toBeLessThan(1000);
    const { code, stderr } = await predict(named('é/'.repeat(99)));
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(STACK) });
  });
});
