import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { shownLines } from '../../../src/cli/commands/show.js';
import { log } from '../../../src/core/log.js';
import { type Shown, show } from '../../../src/engine/show/show.js';
import type { TrainSummary } from '../../../src/engine/train/results.js';
import { train } from '../../../src/engine/train/trainer.js';
import { validate } from '../../../src/engine/val/validator.js';
import { decodeImage } from '../../../src/image/codec.js';
import { apart, pixel } from '../../helpers/drawing.js';
import { native } from '../../helpers/native.js';
import { writeTinyData, writeTinyModel } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

const dir = tmpDir();
let data: string;
let model: string;
let summary: TrainSummary;
const warnings: string[] = [];

const CURVES = ['BoxPR_curve.png', 'BoxF1_curve.png', 'BoxP_curve.png', 'BoxR_curve.png'];
const MATRICES = ['confusion_matrix.png', 'confusion_matrix_normalized.png'];
const VAL = [...CURVES, ...MATRICES, 'val_batch0_labels.jpg', 'val_batch0_pred.jpg'];

async function run(overrides: Record<string, unknown>): Promise<TrainSummary> {
  const settings = {
    data,
    model,
    epochs: 2,
    imgsz: 64,
    batch: 2,
    workers: 0,
    project: join(dir, 'runs'),
    close_mosaic: 1,
  };
  const epochs = train(resolveConfig('train', { ...settings, ...overrides }));
  for (;;) {
    const { done, value } = await epochs.next();
    if (done) return value;
  }
}

beforeAll(async () => {
  await native();
  log.setSink({
    write: (level, text) => {
      if (level === 'warn') warnings.push(text);
    },
  });
  data = await writeTinyData(dir, { train: 8, val: 4 });
  model = writeTinyModel(dir);
  // A folder stands where a plot wants to be written.
  mkdirSync(join(dir, 'runs', 'plotted', 'labels.jpg'), { recursive: true });
  summary = await run({ name: 'plotted', exist_ok: true });
});

describe('a training run with plots', () => {
  it('draws its batches, and again those after mosaic has closed', async () => {
    const files = readdirSync(summary.save_dir).filter((name) => name.startsWith('train_batch'));
    expect(files.sort()).toEqual([0, 1, 2, 4, 5, 6].map((n) => `train_batch${n}.jpg`));
    const sheet = await decodeImage(join(summary.save_dir, 'train_batch0.jpg'));
    expect([sheet.width, sheet.height]).toEqual([8 + 2 * 648, 8 + 640 + 28]); // two images, side by side
  });

  it('draws results, curves, matrices and validation images', () => {
    for (const name of ['results.png', ...VAL]) expect(existsSync(join(summary.save_dir, name)), name).toBe(true);
  });

  it('goes on when a plot cannot be written, and says so', () => {
    expect(warnings.some((text) => /labels\.jpg could not be drawn/.test(text))).toBe(true);
    expect(summary.best).not.toBeNull();
  });

  it('labels are drawn onto the validation images where the objects are', async () => {
    const sheet = await decodeImage(join(summary.save_dir, 'val_batch0_labels.jpg'));
    const colours = new Set<string>();
    for (let y = 8; y < sheet.height; y += 3)
      for (let x = 8; x < sheet.width; x += 3) {
        const p = pixel(sheet, x, y);
        if (apart(p, [230, 40, 40]) < 25) colours.add('red object');
        if (apart(p, [40, 60, 230]) < 25) colours.add('blue object');
        if (apart(p, [238, 119, 51]) < 25) colours.add('box of blue');
        if (apart(p, [0, 119, 187]) < 25) colours.add('box of red');
      }
    expect([...colours].sort()).toEqual(['blue object', 'box of blue', 'box of red', 'red object']);
  });
});

describe('plots=false', () => {
  it('leaves nothing but tables and weights', async () => {
    const { save_dir } = await run({ name: 'bare', plots: false, epochs: 1 });
    expect(readdirSync(save_dir).sort()).toEqual(['args.yaml', 'results.csv', 'weights']);
    const config = { model: summary.best, data, imgsz: 64, workers: 0, project: join(dir, 'runs') };
    const { summary: bare } = await validate(resolveConfig('val', { ...config, plots: false }));
    expect(readdirSync(bare.save_dir).filter((name) => /\.(png|jpg|html)$/.test(name))).toEqual([]);
    const { summary: plotted } = await validate(resolveConfig('val', config));
    expect(readdirSync(plotted.save_dir)).toEqual(expect.arrayContaining(VAL));
  });
});

async function shown(overrides: Record<string, unknown>): Promise<Shown[]> {
  const config = resolveConfig('show', { data, imgsz: 64, workers: 0, project: join(dir, 'runs'), ...overrides });
  const out: Shown[] = [];
  for await (const one of show(config as never)) out.push(one);
  return out;
}

describe('show', () => {
  it('what=batch: three batches as in the first epoch, three as in the last', async () => {
    const batches = await shown({ batch: 3, epochs: 5, close_mosaic: 2 });
    expect(batches.map((b) => 'epoch' in b && [b.epoch, b.batch, b.mosaic])).toEqual([
      ...[0, 1, 2].map((n) => [1, n, true]),
      ...[0, 1, 2].map((n) => [4, n, false]),
    ]);
    for (const b of batches) expect(existsSync(b.file), b.file).toBe(true);
    expect(batches.flatMap(shownLines)[3]).toMatch(/epoch 4, 3 images 64x64, \d+ objects, without mosaic$/);
  });

  it('what=assign: each label with at most ten anchors, counted by level; the network decides', async () => {
    const found = await shown({ what: 'assign', model: summary.best });
    expect(found).toHaveLength(4);
    for (const image of found) {
      if (!('labels' in image)) throw new Error('no assignment');
      expect(image.strides).toEqual([8, 16, 32]);
      expect(existsSync(image.file)).toBe(true);
      for (const { anchors, box, target } of image.labels) {
        const all = anchors.reduce((a, b) => a + b, 0);
        expect(all).toBeLessThanOrEqual(10);
        // Not more points of a level than lie inside the label.
        const [w, h] = [box[2] - box[0], box[3] - box[1]].map((side) => Math.max(side, 16));
        anchors.forEach((n, level) => {
          const most = [w, h].map((side) => Math.ceil(side / image.strides[level]) + 1);
          expect(n).toBeLessThanOrEqual(most[0] * most[1]);
        });
        expect(target > 0).toBe(all > 0);
      }
      expect(shownLines(image)).toHaveLength(1 + image.labels.length);
    }
  });

  it('what=assign source=: only that image', async () => {
    const source = join(dir, 'images', 'val', '2.png');
    const found = await shown({ what: 'assign', model: summary.best, source });
    expect(found.map((one) => 'path' in one && one.path)).toEqual([source]);
    await expect(shown({ what: 'assign', model: summary.best, source: join(dir, 'images', 'train') })).rejects.toThrow(
      /no image of the 'val' split is named by/,
    );
  });

  it('says what is missing', async () => {
    await expect(shown({ data: null })).rejects.toThrow(/data= is missing/);
    await expect(shown({ what: 'assign', model })).rejects.toThrow(/needs weights/);
  });
});
