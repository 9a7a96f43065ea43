import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OptimizerName } from '../../src/core/choices.js';
import { emaDecay, emaUpdate } from '../../src/optim/ema.js';
import type { ParameterGroup, Trainable } from '../../src/optim/groups.js';
import { OPTIMIZERS } from '../../src/optim/optimizers.js';
import {
  autoOptimizer,
  epochFactor,
  fullAccumulation,
  ratesAt,
  type ScheduleSettings,
  scaledWeightDecay,
  warmupBatches,
} from '../../src/optim/schedule.js';
import { updateAll } from '../../src/optim/update.js';
import { expectClose } from '../helpers/close.js';
import { golden, goldenSchedule, pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';

beforeAll(async () => {
  await native();
});

const group = (name: string): ParameterGroup =>
  name.endsWith('bias') ? 'bias' : name.startsWith('bn') ? 'bn' : 'weight';

describe('golden optimizer: warm-up, accumulation, clipping, SGD with Nesterov momentum, EMA', () => {
  it('every row of the schedule and the final values', () => {
    const g = golden('optimizer');
    const h = g.meta.hyperparameters;
    const columns: string[] = g.meta.columns;
    const names = [...g.tensors.keys()].filter((k) => k.startsWith('init.')).map((k) => k.slice(5));
    const trainables: Trainable[] = names.map((name) => ({ name, group: group(name) }));
    const steps = pick(g, 'steps');
    const settings: ScheduleSettings = goldenSchedule(h);
    const read = (name: string): tf.Tensor => {
      const t = pick(g, name);
      return tf.tensor(t.data as Float32Array, t.shape);
    };
    let values = names.map((n) => read(`init.${n}`));
    let state = values.map((v) => [tf.zerosLike(v)]);
    let ema = values;
    let accumulated: tf.Tensor[] | undefined;
    let last = -1;
    let updates = 0;
    const rows = steps.shape[0];
    for (let ni = 0; ni < rows; ni++) {
      const rates = ratesAt(settings, Math.floor(ni / settings.batchesPerEpoch), ni);
      const grads = names.map((n) => read(`gradient${ni}.${n}`));
      accumulated = accumulated ? accumulated.map((s, i) => tf.add(s, grads[i])) : grads;
      const row = Object.fromEntries(columns.map((c, i) => [c, steps.data[ni * columns.length + i] as number]));
      const stepped = ni - last >= rates.accumulate;
      expect(stepped ? 1 : 0, `stepped at ${ni}`).toBe(row.stepped);
      expect(rates.lrBias).toBeCloseTo(row.lr_bias, 9);
      expect(rates.lrWeight).toBeCloseTo(row.lr_weight, 9);
      expect(rates.momentum).toBeCloseTo(row.momentum, 9);
      if (!stepped) continue;
      const lr = { weight: tf.scalar(rates.lrWeight), bn: tf.scalar(rates.lrBn), bias: tf.scalar(rates.lrBias) };
      const out = updateAll({
        rule: OPTIMIZERS.SGD,
        trainables,
        values,
        gradients: accumulated,
        optimizerState: state,
        scalars: { lr, momentum: tf.scalar(rates.momentum), coefficients: [] },
        decay: scaledWeightDecay(h.weight_decay, h.batch, h.nbs),
        maxNorm: h.clip_norm,
      });
      expect(Math.abs(out.norm.dataSync()[0] - row.grad_norm) / row.grad_norm).toBeLessThan(1e-5);
      ({ values, optimizerState: state } = out);
      updates++;
      const d = tf.scalar(emaDecay(updates));
      ema = ema.map((e, i) => emaUpdate(e, values[i], d));
      accumulated = undefined;
      last = ni;
    }
    names.forEach((n, i) => {
      expectClose({ shape: values[i].shape, data: values[i].dataSync() }, pick(g, `final.${n}`) as never, {
        rtol: 1e-5,
        atol: 1e-7,
        label: `final.${n}`,
      });
      expectClose({ shape: ema[i].shape, data: ema[i].dataSync() }, pick(g, `ema.${n}`) as never, {
        rtol: 1e-5,
        atol: 1e-7,
        label: `ema.${n}`,
      });
    });
  });
});

describe('update rules against torch.optim', () => {
  const recorded = JSON.parse(readFileSync(new URL('../fixtures/optimizers.json', import.meta.url), 'utf8'));
  it.each(Object.keys(recorded.values) as OptimizerName[])('%s, twelve steps with weight decay', (name) => {
    const rule = OPTIMIZERS[name];
    let value: tf.Tensor = tf.tensor1d(recorded.init);
    let state = Array.from({ length: rule.stateTensors }, () => tf.zerosLike(value));
    recorded.gradients.forEach((gradient: number[], t: number) => {
      const scalars = {
        lr: tf.scalar(recorded.lr),
        momentum: tf.scalar(recorded.momentum),
        coefficients: rule.coefficients(t + 1, recorded.momentum).map((x) => tf.scalar(x)),
      };
      ({ value, state } = rule.update(value, tf.tensor1d(gradient), state, recorded.decay, scalars));
      expectClose(
        { shape: [4], data: value.dataSync() },
        { shape: [4], data: recorded.values[name][t] },
        { rtol: 1e-5, label: `${name} step ${t}` },
      );
    });
  });
});

describe('schedule', () => {
  const base: ScheduleSettings = {
    epochs: 10,
    batchesPerEpoch: 5,
    batch: 16,
    nbs: 64,
    lr0: 0.01,
    lrf: 0.01,
    cosLr: false,
    momentum: 0.937,
    warmupEpochs: 3,
    warmupMomentum: 0.8,
    warmupBiasLr: 0.1,
    warmsMomentum: true,
  };
  it('the linear and the cosine schedule both run from 1 to lrf', () => {
    for (const cosLr of [false, true]) {
      expect(epochFactor(0, { ...base, cosLr })).toBeCloseTo(1, 12);
      expect(epochFactor(10, { ...base, cosLr })).toBeCloseTo(0.01, 12);
    }
    expect(epochFactor(5, { ...base, cosLr: true })).toBeCloseTo(0.505, 12);
  });
  it('accumulation rounds half to even and never exceeds the batches of the run', () => {
    expect([
      fullAccumulation(16, 64),
      fullAccumulation(128, 64),
      fullAccumulation(64, 160),
      fullAccumulation(64, 224),
    ]).toEqual([4, 1, 2, 4]);
    expect(ratesAt({ ...base, epochs: 1, batchesPerEpoch: 3, warmupEpochs: 0 }, 0, 2).accumulate).toBe(3);
  });
  it('a run of one epoch has no warm-up', () => {
    expect(warmupBatches({ ...base, epochs: 1 })).toBe(0);
    expect(ratesAt({ ...base, epochs: 1 }, 0, 0).lrWeight).toBeCloseTo(0.01, 12);
  });
  it('the rates of the first epochs are those of the reference (golden runs, bccd from scratch)', () => {
    const run = { ...base, epochs: 60, batchesPerEpoch: 13 };
    const lastOf = (epoch: number): number[] => {
      const r = ratesAt(run, epoch, epoch * 13 + 12);
      return [r.lrWeight, r.lrBias];
    };
    for (const [epoch, weight, bias] of [
      [0, 0.00307692, 0.0723077],
      [1, 0.00630449, 0.0422019],
      [2, 0.00942205, 0.0119862],
      [3, 0.009505, 0.009505],
    ]) {
      const [w, b] = lastOf(epoch);
      expect(w).toBeCloseTo(weight, 7);
      expect(b).toBeCloseTo(bias, 6);
    }
  });
  it('auto: AdamW with a rate for the class count in a short run, SGD in a long one', () => {
    expect(autoOptimizer({ images: 205, batch: 16, nbs: 64, epochs: 20, classes: 3 })).toEqual({
      optimizer: 'AdamW',
      lr0: 0.001429,
      momentum: 0.9,
      warmupBiasLr: 0,
    });
    expect(autoOptimizer({ images: 118287, batch: 16, nbs: 64, epochs: 100, classes: 80 }).optimizer).toBe('SGD');
  });
});
