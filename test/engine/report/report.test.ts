import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { log } from '../../../src/core/log.js';
import { train } from '../../../src/engine/train/trainer.js';
import { validate } from '../../../src/engine/val/validator.js';
import { native } from '../../helpers/native.js';
import { writeTinyData, writeTinyModel } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

const dir = tmpDir();
const warnings: string[] = [];
let data: string;
let model: string;

beforeAll(async () => {
  await native();
  log.setSink({
    write(level, text) {
      if (level === 'warn') warnings.push(text);
    },
  });
  data = await writeTinyData(dir, { train: 6, val: 4 });
  model = writeTinyModel(dir);
});

const settings = (name: string) => ({ data, model, imgsz: 64, batch: 3, workers: 0, project: join(dir, 'runs'), name });

const statusOf = (file: string): string => /class="pill \w+">([^<]*)</.exec(readFileSync(file, 'utf8'))![1];
const dataOf = (file: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(readFileSync(file, 'utf8'))![1]);

describe('report.html of a run', () => {
  const weights = join(dir, 'runs', 'watched', 'weights', 'best.safetensors');

  it('follows the epochs and holds everything at the end', async () => {
    const report = join(dir, 'runs', 'watched', 'report.html');
    const seen: string[] = [];
    for await (const { epoch } of train(resolveConfig('train', { ...settings('watched'), epochs: 2 }))) {
      seen.push(statusOf(report));
      const { length } = dataOf(report).charts.x;
      // An epoch may come too soon after another to be worth a page.
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(epoch);
    }
    expect(seen[0]).toBe('Training is running after epoch 1 of 2');
    expect(statusOf(report)).toBe('Training is done after epoch 2 of 2');
    const { charts, curves, confusion, images, names, reload } = dataOf(report);
    expect(charts.x).toEqual([1, 2]);
    expect(curves.classes).toEqual([0, 1]);
    expect(confusion.nc).toBe(2);
    expect(images.length).toBe(4);
    expect(names).toEqual(['blue', 'red']);
    expect(reload).toBeUndefined();
    const text = readFileSync(report, 'utf8');
    for (const part of ['id="dataset"', `data=${data}`, 'imgsz=64', '<dt>Engine</dt>', 'TensorFlow'])
      expect(text).toContain(part);
  }, 120_000);

  it('of a validation', async () => {
    const { summary } = await validate(resolveConfig('val', { ...settings('val'), model: weights }));
    const report = join(summary.save_dir, 'report.html');
    expect(statusOf(report)).toBe('Validation is done');
    expect(readFileSync(report, 'utf8')).toContain(`<dt>mAP50</dt><dd>${summary.mAP50.toFixed(3)}</dd>`);
  }, 60_000);

  it('is not there with plots=false', async () => {
    const { summary } = await validate(resolveConfig('val', { ...settings('bare'), model: weights, plots: false }));
    expect(existsSync(join(summary.save_dir, 'report.html'))).toBe(false);
    expect(existsSync(join(summary.save_dir, 'metrics.json'))).toBe(true);
  }, 60_000);

  it('that cannot be written is a warning', async () => {
    mkdirSync(join(dir, 'runs', 'stuck', 'report.html'), { recursive: true });
    const config = { ...settings('stuck'), model: weights, exist_ok: true };
    const { summary } = await validate(resolveConfig('val', config));
    expect(summary.images).toBe(4);
    expect(warnings.filter((text) => text.includes('report.html was not written'))).toHaveLength(1);
  }, 60_000);
});
