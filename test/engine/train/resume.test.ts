import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { Interrupted } from '../../../src/core/errors.js';
import { log } from '../../../src/core/log.js';
import type { TrainObserver } from '../../../src/engine/train/observer.js';
import type { TrainEpoch, TrainSummary } from '../../../src/engine/train/results.js';
import { train } from '../../../src/engine/train/trainer.js';
import { native } from '../../helpers/native.js';
import { tensorsOf } from '../../helpers/tensors-of.js';
import { writeLeastModel, writeTinyData, writeTinyModel } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

const dir = tmpDir();
let data: string;
let model: string;
let least: string;

beforeAll(async () => {
  await native();
  log.setSink({ write: () => {} });
  data = await writeTinyData(dir, { train: 10, val: 4 });
  model = writeTinyModel(dir);
  least = writeLeastModel(dir);
});

const settings = () => ({
  data,
  model,
  epochs: 3,
  imgsz: 64,
  batch: 4,
  nbs: 8,
  workers: 0,
  project: join(dir, 'runs'),
  plots: false,
  // The rates that are given lie over what optimizer=auto chooses, in the resumed run too.
  lr0: 0.01,
  momentum: 0.85,
  close_mosaic: 1,
});

async function run(
  overrides: Record<string, unknown>,
  { signal, ...observer }: TrainObserver & { signal?: AbortSignal } = {},
): Promise<{ epochs: TrainEpoch[]; summary: TrainSummary }> {
  const epochs: TrainEpoch[] = [];
  const it = train(resolveConfig('train', overrides), { signal, observers: [observer] });
  for (;;) {
    const { done, value } = await it.next();
    if (done) return { epochs, summary: value };
    epochs.push(value);
  }
}

describe('a run of three epochs', () => {
  let whole: Record<string, string>;
  let rows: TrainEpoch[];

  beforeAll(async () => {
    await native();
    const { epochs, summary } = await run({ ...settings(), name: 'whole' });
    rows = epochs;
    whole = tensorsOf(summary.last as string);
  });

  it('gives an epoch row each, results.csv, args.yaml, last and best', () => {
    const folder = join(dir, 'runs', 'whole');
    expect(rows.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    const csv = readFileSync(join(folder, 'results.csv'), 'utf8').trim().split('\n');
    expect(csv).toHaveLength(4);
    expect(csv[0]).toBe(
      'epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),metrics/recall(B),metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0,lr/pg1,lr/pg2',
    );
    for (const file of ['args.yaml', 'weights/last.safetensors', 'weights/best.safetensors'])
      expect(existsSync(join(folder, file)), file).toBe(true);
  });

  it('ends with the same tensors when threads prepare its images', async () => {
    const { summary } = await run({ ...settings(), name: 'threads', workers: 2 });
    expect(tensorsOf(summary.last as string)).toEqual(whole);
  });

  it('ends with the same tensors after an interruption inside epoch 2 and resume', async () => {
    const stop = new AbortController();
    const onBatch: TrainObserver['onBatch'] = ({ epoch, batch }) => {
      if (epoch === 2 && batch === 1) stop.abort();
    };
    await expect(run({ ...settings(), name: 'stopped' }, { signal: stop.signal, onBatch })).rejects.toThrow(
      Interrupted,
    );
    const last = join(dir, 'runs', 'stopped', 'weights', 'last.safetensors');
    const { epochs, summary } = await run({ resume: last });
    expect(tensorsOf(summary.last as string)).toEqual(whole);
    expect(epochs.map(({ epoch, train: losses }) => ({ epoch, losses }))).toEqual(
      rows.slice(1).map(({ epoch, train: losses }) => ({ epoch, losses })),
    );
  });

  it('ends with the same tensors after being killed inside epoch 2 and resume', async () => {
    const kept = join(dir, 'after-epoch-1.safetensors');
    const it = train(resolveConfig('train', { ...settings(), name: 'killed' }));
    await it.next();
    const last = join(dir, 'runs', 'killed', 'weights', 'last.safetensors');
    copyFileSync(last, kept); // what a kill leaves behind: the checkpoint of the last whole epoch
    await it.next();
    await it.return(undefined as never);
    copyFileSync(kept, last);
    const { summary } = await run({ resume: last });
    expect(tensorsOf(summary.last as string)).toEqual(whole);
  });

  it('from a copy of its checkpoint it goes on in a folder beside its own', async () => {
    const copy = join(dir, 'copy.safetensors');
    copyFileSync(join(dir, 'runs', 'whole', 'weights', 'last.safetensors'), copy);
    const { summary } = await run({ resume: copy, epochs: 4 });
    expect(summary.last).toBe(join(dir, 'runs', 'whole-2', 'weights', 'last.safetensors'));
    const elsewhere = await run({ resume: copy, epochs: 4, project: join(dir, 'other'), name: 'more' });
    expect(elsewhere.summary.last).toBe(join(dir, 'other', 'more', 'weights', 'last.safetensors'));
  });

  it('a finished run is refused without more epochs, and goes on with them', async () => {
    const last = join(dir, 'runs', 'whole', 'weights', 'last.safetensors');
    await expect(run({ resume: last })).rejects.toThrow(/has done its 3 epochs/);
    const { epochs } = await run({ resume: last, epochs: 4 });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([4]);
  });
});

describe('optimizers whose rates change with every step', () => {
  it.each(['NAdam', 'RAdam', 'Adamax'])(
    '%s: resumed in its middle it ends with the same tensors',
    async (optimizer) => {
      const few = { ...settings(), model: least, optimizer, epochs: 2, nbs: 4, val: false };
      const { summary } = await run({ ...few, name: `${optimizer}-whole` });
      const stop = new AbortController();
      const onBatch: TrainObserver['onBatch'] = ({ epoch, batch }) => {
        if (epoch === 2 && batch === 1) stop.abort();
      };
      const name = `${optimizer}-stopped`;
      await expect(run({ ...few, name }, { signal: stop.signal, onBatch })).rejects.toThrow(Interrupted);
      const resumed = await run({ resume: join(dir, 'runs', name) });
      expect(tensorsOf(resumed.summary.last as string)).toEqual(tensorsOf(summary.last as string));
    },
  );
});
