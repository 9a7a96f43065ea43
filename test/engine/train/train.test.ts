import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { UserError } from '../../../src/core/errors.js';
import { log } from '../../../src/core/log.js';
import { resumeCommand, trainCommand } from '../../../src/engine/report/settings.js';
import type { Run, TrainObserver } from '../../../src/engine/train/observer.js';
import type { TrainEpoch, TrainSummary } from '../../../src/engine/train/results.js';
import { train } from '../../../src/engine/train/trainer.js';
import { validate } from '../../../src/engine/val/validator.js';
import { readSafetensors } from '../../../src/io/safetensors.js';
import { native } from '../../helpers/native.js';
import { writeLeastModel, writeTinyData } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

const dir = tmpDir();
const said: string[] = [];
let settings: Record<string, unknown>;

beforeAll(async () => {
  await native();
  log.setSink({ write: (_, text) => said.push(text) });
  const data = await writeTinyData(dir, { train: 8, val: 4 });
  const model = writeLeastModel(dir);
  settings = { data, model, project: dir, imgsz: 64, batch: 1, workers: 0, plots: false, warmup_epochs: 0 };
});

async function run(
  overrides: Record<string, unknown>,
  { signal, ...observer }: TrainObserver & { signal?: AbortSignal } = {},
): Promise<{ epochs: TrainEpoch[]; summary: TrainSummary }> {
  const epochs: TrainEpoch[] = [];
  const it = train(resolveConfig('train', { ...settings, ...overrides }), { signal, observers: [observer] });
  for (;;) {
    const { done, value } = await it.next();
    if (done) return { epochs, summary: value };
    epochs.push(value);
  }
}

const tensorsOf = (path: string) =>
  new Map(
    [...readSafetensors(path).tensors].map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    ]),
  );

describe('batches whose loss is not a number', () => {
  /** A label without numbers in these batches, the first time that they come. */
  const poison = (batches: Set<number>): TrainObserver => ({
    onInput(batch, index) {
      if (!batches.delete(index)) return;
      batch.labels[0] = Float32Array.from([0, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    },
  });

  it('five in a row: back to the last checkpoint, half the learning rate from there on', async () => {
    said.length = 0;
    const rates = { optimizer: 'SGD', lr0: 0.004, lrf: 1, epochs: 2, val: false };
    const { epochs } = await run({ ...rates, name: 'recovered' }, poison(new Set([9, 10, 11, 12, 13])));
    expect(said).toContain('going back to epoch 1 with half the learning rate (1 of 3 times)');
    expect(said.filter((text) => text.includes('the loss is not finite'))).toHaveLength(5);
    expect(epochs.map(({ epoch, lr }) => [epoch, lr])).toEqual([
      [1, 0.004],
      [2, 0.002],
    ]);
  });

  it('four in a row: they are left out, and nothing else happens', async () => {
    said.length = 0;
    const { epochs } = await run({ epochs: 1, optimizer: 'SGD', lr0: 0.004, lrf: 1 }, poison(new Set([1, 2, 3, 4])));
    expect(said.filter((text) => text.includes('the loss is not finite'))).toHaveLength(4);
    expect(said.join()).not.toContain('going back');
    expect(epochs).toMatchObject([{ epoch: 1, lr: 0.004, train: { box_loss: expect.any(Number) } }]);
    expect(epochs[0].train.cls_loss).toBeGreaterThan(0);
  });

  it('a whole epoch without another, and no checkpoint: the run ends', async () => {
    const all = new Set(Array.from({ length: 4 }, (_, i) => i));
    await expect(run({ epochs: 2, fraction: 0.5 }, poison(all))).rejects.toMatchObject({
      code: 'diverged',
      exitCode: 1,
    });
  });
});

describe('patience=1, freeze=2, save_period=1, and no batch that could make it better', () => {
  let rows: TrainEpoch[];
  let weights: string;

  beforeAll(async () => {
    said.length = 0;
    const keys = { epochs: 9, patience: 1, freeze: 2, save_period: 1, optimizer: 'SGD', lr0: 1e-6, batch: 4, nbs: 4 };
    const { epochs, summary } = await run({ ...keys, name: 'patience' });
    rows = epochs;
    weights = join(summary.save_dir, 'weights');
  });

  it('ends one epoch after the best one and says so', () => {
    expect(rows.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(said.join('\n')).toContain('no better mAP50-95 in the last 1 epochs; the best was epoch 1');
  });

  it('keeps a checkpoint of each epoch', () => {
    expect(readdirSync(weights).sort()).toEqual([
      'best.safetensors',
      'epoch1.safetensors',
      'epoch2.safetensors',
      'last.safetensors',
    ]);
    expect(tensorsOf(join(weights, 'epoch2.safetensors'))).toEqual(tensorsOf(join(weights, 'last.safetensors')));
  });

  it('trains all but the first two layers, whose statistics stay as they were too', () => {
    const [first, second] = ['epoch1', 'epoch2'].map((name) => tensorsOf(join(weights, `${name}.safetensors`)));
    const changed = [...first.keys()].filter((name) => first.get(name) !== second.get(name));
    expect(changed.filter((name) => /^(train\/model\/)?model\.[01]\./.test(name))).toEqual([]);
    expect(changed).toContain('train/model/model.2.conv.weight');
    expect(changed).toContain('train/model/model.2.bn.running_mean');
  });

  it('reports the validation loss that yolo val finds in its weights', async () => {
    const { data, project, imgsz } = settings;
    const model = join(weights, 'last.safetensors');
    const config = resolveConfig('val', { model, data, project, imgsz, batch: 8, plots: false });
    const { loss } = (await validate(config)).summary;
    for (const [name, value] of Object.entries(rows[1].val!)) {
      expect(value, name).toBeGreaterThan(0);
      expect(Math.abs((loss as never)[name] / value - 1), name).toBeLessThan(1e-4);
    }
  });
});

it('validation images that are all damaged end the run, with the best weights and the state as they were', async () => {
  const own = tmpDir();
  const data = await writeTinyData(own, { train: 4, val: 2 });
  let best: string | undefined;
  const path = join(dir, 'damaged', 'weights', 'best.safetensors');
  const onEpoch = (): void => {
    best = readFileSync(path, 'base64');
    for (const name of ['0.png', '1.png']) writeFileSync(join(own, 'images', 'val', name), 'no image');
  };
  await expect(run({ data, epochs: 3, batch: 4, name: 'damaged' }, { onEpoch })).rejects.toMatchObject({
    code: 'unreadable-images',
    message: expect.stringContaining('none of the 2 images can be read'),
    hint: expect.stringContaining('yolo train resume='),
    exitCode: 1,
  });
  expect(readFileSync(path, 'base64')).toBe(best);
  const { progress } = JSON.parse(readSafetensors(join(dirname(path), 'last.safetensors')).metadata.run);
  expect(progress).toMatchObject({ epoch: 1, batchInEpoch: 1, bestEpoch: 0 });
});

describe('time=', () => {
  it('ends in the middle of an epoch when it is over, validates, and is refused without more time', async () => {
    said.length = 0;
    const { epochs, summary } = await run({ epochs: 50, time: 1e-7, name: 'time' });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1]);
    expect(epochs[0].metrics).toBeDefined();
    expect(said).toContain('time=1e-7: 1 epochs fit');
    expect(existsSync(summary.best!)).toBe(true);
    await expect(run({ resume: summary.last })).rejects.toThrow('the time of this run is over (time=1e-7)');
  });

  it('the epochs that fit are those of the resumed run', async () => {
    const stop = new AbortController();
    const hooks = { signal: stop.signal, onEpoch: () => stop.abort() };
    await expect(run({ epochs: 3, time: 1000, name: 'fitted' }, hooks)).rejects.toThrow('interrupted');
    const last = join(dir, 'fitted', 'weights', 'last.safetensors');
    const { schedule } = JSON.parse(readSafetensors(last).metadata.run);
    expect(schedule.epochs).toBeGreaterThan(1000);
    expect((await prepared({ resume: last })).schedule).toEqual(schedule);
    expect((await prepared({ resume: last, epochs: 7 })).schedule).toEqual({ ...schedule, epochs: 7 });
  });
});

/** What a run is made of, which then does not begin. */
async function prepared(overrides: Record<string, unknown>): Promise<Pick<Run, 'schedule' | 'description'>> {
  let made: Run | undefined;
  const onStart = (run: Run): void => {
    made = run;
    throw new Error('enough');
  };
  const given = 'resume' in overrides ? overrides : { ...settings, ...overrides };
  await expect(train(resolveConfig('train', given), { observers: [{ onStart }] }).next()).rejects.toThrow('enough');
  return { schedule: { ...made!.schedule }, description: made!.description };
}

describe('what a run is made of', () => {
  it('optimizer=auto: AdamW for a short run, its rate by the classes; what is given is kept, the default too', async () => {
    const short = await prepared({ name: 'auto' });
    expect(short.description.optimizer).toBe('AdamW');
    expect(short.schedule).toMatchObject({ lr0: 0.001667, momentum: 0.9, warmupBiasLr: 0 });
    const given = await prepared({ name: 'given', lr0: 0.01, warmup_bias_lr: 0.1 });
    expect(given.schedule).toMatchObject({ lr0: 0.01, momentum: 0.9, warmupBiasLr: 0.1 });
    const long = await prepared({ name: 'long', epochs: 20_000 });
    expect(long.description.optimizer).toBe('SGD');
    expect(long.schedule).toMatchObject({ lr0: 0.01, momentum: 0.9 });
  });

  it('batch=-1: an even number of images, which is what the checkpoint and the command tell', async () => {
    const { schedule, description } = await prepared({ batch: -1, name: 'largest' });
    expect(schedule.batch % 2).toBe(0);
    expect(schedule.batch).toBeGreaterThan(1);
    expect(description.args.batch).toBe(schedule.batch);
    if (schedule.batch !== 16) expect(description.commands[0]).toContain(`batch=${schedule.batch}`);
  });

  it('goes again when it did not begin', async () => {
    await prepared({ name: 'begun' });
    expect(existsSync(join(dir, 'begun'))).toBe(false);
  });

  it.each([
    ['another optimizer', { optimizer: 'SGD' }, 'this run has the state of AdamW'],
    ['other layers frozen', { freeze: 1 }, 'this run has freeze=null'],
  ])('a resumed run refuses %s', async (_, changed, message) => {
    const stop = new AbortController();
    const name = `fixed-${Object.keys(changed)}`;
    await expect(run({ name, epochs: 2 }, { signal: stop.signal, onBatch: () => stop.abort() })).rejects.toThrow(
      'interrupted',
    );
    const before = tf.memory().numTensors;
    const resumed = train(resolveConfig('train', { resume: join(dir, name), ...changed })).next();
    await expect(resumed).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves no tensor behind when its folder cannot be made', async () => {
    mkdirSync(join(dir, 'blocked'));
    writeFileSync(join(dir, 'blocked', 'weights'), '');
    const before = tf.memory().numTensors;
    const error = await run({ name: 'blocked', exist_ok: true }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ code: 'cannot-write', exitCode: 1 });
    expect(tf.memory().numTensors).toBe(before);
    expect(readFileSync(join(dir, 'blocked', 'weights'), 'utf8')).toBe('');
  });
});

describe('the commands that repeat a run', () => {
  const config = (keys: Record<string, unknown>) =>
    resolveConfig('train', { data: 'my.yaml', model: 'm.yaml', ...keys });

  it('name a rate that was given although it is the default, as optimizer=auto heeds it', () => {
    expect(trainCommand(config({ lr0: 0.01 }), 16)).toBe('yolo train model=m.yaml data=my.yaml lr0=0.01');
    expect(trainCommand(config({ lr0: 0.01, optimizer: 'SGD' }), 16)).toBe(
      'yolo train model=m.yaml data=my.yaml optimizer=SGD',
    );
    expect(trainCommand(config({}), 8)).toBe('yolo train model=m.yaml data=my.yaml batch=8');
  });

  it('have another line for a resume that changed something, and none for one that did not', () => {
    const at = { progress: { epoch: 3, batchInEpoch: 0 }, epochs: 3 };
    expect(resumeCommand(config({ workers: 0 }), ['workers', 'verbose'], at)).toEqual([]);
    expect(resumeCommand(config({ epochs: 5 }), ['epochs'], at)).toEqual(['yolo train resume=true epochs=5']);
    const middle = { progress: { epoch: 2, batchInEpoch: 0 }, epochs: 3 };
    expect(resumeCommand(config({ epochs: 5, project: 'p' }), ['epochs'], middle)).toEqual([
      '# interrupted after epoch 2, then:',
      'yolo train resume=true project=p epochs=5',
    ]);
  });
});
