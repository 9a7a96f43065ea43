import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { native } from '../helpers/native.js';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';
import { writeTinyYolo11 } from '../helpers/yolo11.js';

const dir = tmpDir();
const best = join(dir, 'train', 'weights', 'best.safetensors');
const image = join(dir, 'images', 'val', '0.png');
let data: string;

async function yolo(...args: string[]) {
  const { code, stdout, stderr } = await runCli([...args, `project=${dir}`, 'imgsz=64', 'json=true']);
  expect(code, stderr).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** What a model finds, the surest first. */
async function found(model: string) {
  const [{ detections }] = await yolo('predict', `model=${model}`, `source=${image}`, 'conf=0.001', 'save=false');
  return detections as { confidence: number; box: number[] }[];
}

describe('YOLO11 by command', () => {
  beforeAll(async () => {
    await native();
    data = await writeTinyData(dir, { train: 4, val: 2 });
    const rows = await yolo(
      'train',
      `model=${writeTinyYolo11(dir)}`,
      `data=${data}`,
      'epochs=2',
      'plots=false',
      'workers=0',
    );
    expect(rows.length).toBeGreaterThan(1);
  });

  it('val; training goes on from the weights, and resumes', async () => {
    expect((await yolo('val', `model=${best}`, `data=${data}`, 'plots=false')).at(-1)).toMatchObject({ images: 2 });
    await yolo(
      'train',
      `model=${best}`,
      `data=${data}`,
      'epochs=1',
      'freeze=11',
      'plots=false',
      'workers=0',
      'name=tuned',
    );
    await yolo('train', `resume=${join(dir, 'tuned')}`, 'epochs=2', 'plots=false', 'workers=0');
  });

  it.each(['onnx', 'tfjs', 'saved_model', 'safetensors', 'torch'])(
    'export format=%s finds what the weights find',
    async (format) => {
      const rows = await yolo('export', `model=${best}`, `format=${format}`);
      const [file] = rows.at(-1).files as string[];
      expect(existsSync(file)).toBe(true);
      const [want, got] = [await found(best), await found(file)];
      expect(want.length).toBeGreaterThan(0);
      expect(got.length).toBe(want.length);
      expect(got[0].confidence).toBeCloseTo(want[0].confidence, 4);
    },
  );
});
