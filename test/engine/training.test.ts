import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NamedArray } from '../../src/core/types.js';
import { disposeState, freshState, type StepBatch, TrainStep } from '../../src/engine/step.js';
import { trainablesOf } from '../../src/engine/trainables.js';
import { buildNetwork, fromTensors, toTensors } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { OPTIMIZERS } from '../../src/optim/optimizers.js';
import { ratesAt, scaledWeightDecay } from '../../src/optim/schedule.js';
import { expectClose } from '../helpers/close.js';
import { golden, pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';

beforeAll(async () => {
  await native();
});

const g = golden('training');
const model = golden('model');
const h = g.meta.hyperparameters;

/** The tiny network of the golden files, with the class count that the file has. */
function network() {
  const head = pick(g, 'init.model.22.cv3.0.2.weight');
  return buildNetwork(parseModelYaml(model.meta.yaml, { nc: head.shape[0] }));
}

function weights(prefix: string): Map<string, NamedArray> {
  const out = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of g.tensors) {
    if (name.startsWith(prefix)) out.set(name.slice(prefix.length), { shape, data: data as Float32Array });
  }
  return out;
}

function batch(i: number): StepBatch {
  const image = pick(g, `batch${i}.img`);
  const [b, height, width] = image.shape;
  const index = pick(g, `batch${i}.batch_idx`).data;
  const cls = pick(g, `batch${i}.cls`).data;
  const boxes = pick(g, `batch${i}.bboxes`).data;
  const labels = Array.from({ length: b }, (_, k) => {
    const rows: number[] = [];
    for (let n = 0; n < index.length; n++) {
      if (Number(index[n]) === k) rows.push(Number(cls[n]), ...Array.from(boxes.slice(n * 4, n * 4 + 4), Number));
    }
    return Float32Array.from(rows);
  });
  return { images: image.data as Uint8Array, shape: [b, height, width], labels };
}

function freshStep(gains = { box: 7.5, cls: 0.5, dfl: 1.5 }) {
  const net = network();
  const trainables = trainablesOf(net, null);
  const rule = OPTIMIZERS.SGD;
  const state = freshState(toTensors(weights('init.'), net.parameters), trainables, rule);
  const step = new TrainStep(state, {
    network: net,
    trainables,
    frozenLayers: new Set(),
    rule,
    decay: scaledWeightDecay(h.weight_decay, h.batch, h.nbs),
    gains,
  });
  return { step, state };
}

const ratesOf = (ni: number) =>
  ratesAt(
    {
      epochs: h.epochs,
      batchesPerEpoch: h.batches_per_epoch,
      batch: h.batch,
      nbs: h.nbs,
      lr0: h.lr0,
      lrf: h.lrf,
      cosLr: false,
      momentum: h.momentum,
      warmupEpochs: 0,
      warmupIterations: h.warmup_iterations,
      warmupMomentum: h.warmup_momentum,
      warmupBiasLr: h.warmup_bias_lr,
      warmsMomentum: true,
    },
    Math.floor(ni / h.batches_per_epoch),
    ni,
  );

describe('golden training: eight batches through the compiled step', () => {
  it('losses, steps, gradient norms, final weights, statistics and average', () => {
    const { step, state } = freshStep();
    const steps = pick(g, 'steps');
    const columns: string[] = g.meta.columns;
    for (let ni = 0; ni < steps.shape[0]; ni++) {
      const row = Object.fromEntries(columns.map((c, i) => [c, Number(steps.data[ni * columns.length + i])]));
      const got = step.run(batch(ni % h.batches_per_epoch), ratesOf(ni), ni);
      expect(got.stepped ? 1 : 0, `stepped at ${ni}`).toBe(row.stepped);
      const want = [row.box_loss, row.cls_loss, row.dfl_loss];
      expectClose(
        { shape: [3], data: got.items },
        { shape: [3], data: want },
        { rtol: 1e-3, relativeTo: 'each', label: `losses of batch ${ni}` },
      );
      if (got.norm !== undefined) expect(Math.abs(got.norm / row.grad_norm - 1)).toBeLessThan(2e-3);
    }
    for (const [part, tensors] of [
      ['final', state.model],
      ['ema', state.ema],
    ] as const) {
      const init = weights('init.');
      for (const [name, { shape, data }] of fromTensors(tensors)) {
        const want = pick(g, `${part}.${name}`).data as Float32Array;
        let change = 0;
        want.forEach((x, i) => {
          change = Math.max(change, Math.abs(x - (init.get(name)?.data[i] ?? 0)));
        });
        expectClose({ shape, data }, { shape, data: want }, { atol: 2e-3 * change + 1e-6, label: `${part}.${name}` });
      }
    }
    step.dispose();
    disposeState(state);
  });
});

describe('the training step', () => {
  it('gives the same bits each time and leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const run = (): Map<string, NamedArray> => {
      const { step, state } = freshStep();
      for (let ni = 0; ni < 4; ni++) step.run(batch(ni), ratesOf(ni), ni);
      const out = fromTensors({
        ...state.model,
        ...Object.fromEntries(Object.entries(state.slots).map(([k, t]) => [`slot/${k}`, t])),
      });
      step.dispose();
      disposeState(state);
      return out;
    };
    const [a, b] = [run(), run()];
    for (const [name, { data }] of a) expect(b.get(name)?.data, name).toEqual(data);
    expect(tf.memory().numTensors).toBe(before);
  });

  /** Every bit of the state, in short. */
  const numbersOf = (state: ReturnType<typeof freshState>) => {
    const { model, ema, slots, sums, updates, lastStep } = state;
    const tensors = Object.fromEntries(
      Object.entries({ model, ema, slots, sums }).flatMap(([part, of]) =>
        Object.entries(of).map(([name, t]) => [
          `${part}/${name}`,
          createHash('sha1').update(t.dataSync()).digest('hex'),
        ]),
      ),
    );
    return { tensors, updates, lastStep };
  };

  it('a loss that is not finite changes nothing and is reported', () => {
    const { step, state } = freshStep();
    step.run(batch(0), ratesOf(10), 10);
    const name = 'model.0.conv.weight';
    state.model[name].dispose();
    state.model[name] = tf.fill([...state.model[name].shape], Number.NaN);
    const before = numbersOf(state);
    const result = step.run(batch(1), { ...ratesOf(11), accumulate: 1 }, 11);
    expect(result).toMatchObject({ nonFinite: 'loss', stepped: false });
    expect(numbersOf(state)).toEqual(before);
    step.dispose();
    disposeState(state);
  });

  it('a finite loss whose gradient is not changes nothing either, whether a step was due or not', () => {
    const { step, state } = freshStep({ box: 1e36, cls: 1e36, dfl: 1e36 });
    const before = numbersOf(state);
    for (const accumulate of [1, 4]) {
      const result = step.run(batch(0), { ...ratesOf(10), accumulate }, 0);
      expect(result).toMatchObject({ nonFinite: 'gradient', stepped: false });
      for (const item of result.items) expect(Number.isFinite(item)).toBe(true);
      expect(numbersOf(state)).toEqual(before);
    }
    step.dispose();
    disposeState(state);
  });

  it('a batch without any label trains the class branch', () => {
    const { step, state } = freshStep();
    const empty = { ...batch(0), labels: batch(0).labels.map(() => new Float32Array(0)) };
    const { items, nonFinite } = step.run(empty, { ...ratesOf(10), accumulate: 1 }, 10);
    expect(nonFinite).toBeUndefined();
    expect(items[0]).toBe(0);
    expect(items[2]).toBe(0);
    expect(items[1]).toBeGreaterThan(0);
    step.dispose();
    disposeState(state);
  });
});
