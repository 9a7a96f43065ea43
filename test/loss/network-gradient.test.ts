import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NamedArray } from '../../src/core/types.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { detectionLoss, type Labels } from '../../src/loss/detection.js';
import { forward } from '../../src/nn/forward.js';
import { buildNetwork, type Params } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { golden, pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';
import { fromTensors, toTensors } from '../helpers/tensors.js';

const g = golden('training');
const want = (name: string) => pick(g, name) as Arrayish;
const weights = new Map<string, NamedArray>();
for (const [name, { shape, data }] of g.tensors)
  if (name.startsWith('init.')) weights.set(name.slice(5), { shape, data: data as Float32Array });
// The network is that of golden model, with the class count of these weights.
const classes = [...weights].find(([name]) => /cv3\.0\.2\.bias$/.test(name))![1].shape[0];
const network = buildNetwork(parseModelYaml(golden('model').meta.yaml, { nc: classes }));
const trained = network.parameters.filter(({ kind }) => kind !== 'mean' && kind !== 'variance');
const gains = { box: 7.5, cls: 0.5, dfl: 1.5 };

type Inputs = { params: Params; images: tf.Tensor } & Labels;

/** Items of batch 0 and the gradient of its loss by every weight. */
function gradients({ params, images, ...labels }: Inputs): { items: tf.Tensor; grads: Params } {
  let items: tf.Tensor | undefined;
  const { grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
    const now = { ...params };
    for (const [i, { name }] of trained.entries()) now[name] = values[i];
    const head = forward(network, tf.div(images, 255) as tf.Tensor4D, now, { training: true });
    const loss = detectionLoss(head, labels, { gains });
    items = tf.keep(loss.items);
    return loss.total;
  })(trained.map(({ name }) => params[name]));
  return { items: items!, grads: Object.fromEntries(trained.map(({ name }, i) => [name, grads[i]])) };
}

function batch0(): Omit<Inputs, 'params'> & { bytes: Uint8Array; shape: [number, number, number, number] } {
  const { shape, data } = want('batch0.img');
  const [b, h, w] = shape;
  const index = want('batch0.batch_idx').data;
  const m = 8;
  const count = new Array(b).fill(0);
  const [boxes, cls, mask] = [new Float32Array(b * m * 4), new Int32Array(b * m), new Float32Array(b * m)];
  for (let i = 0; i < index.length; i++) {
    const slot = index[i] * m + count[index[i]]++;
    const [cx, cy, bw, bh] = [0, 1, 2, 3].map((j) => want('batch0.bboxes').data[4 * i + j] * (j % 2 ? h : w));
    boxes.set([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], 4 * slot);
    cls[slot] = want('batch0.cls').data[i];
    mask[slot] = 1;
  }
  return {
    bytes: data as Uint8Array,
    shape: shape as [number, number, number, number],
    images: tf.tensor(Float32Array.from(data), [...shape]),
    boxesPx: tf.tensor(boxes, [b, m, 4]),
    classes: tf.tensor(cls, [b, m], 'int32'),
    mask: tf.tensor(mask, [b, m]),
  };
}

function check({ items, grads }: ReturnType<typeof gradients>): void {
  expectClose({ shape: items.shape, data: items.dataSync() }, want('items'), { rtol: 1e-3, label: 'items' });
  for (const [name, array] of fromTensors(grads))
    expectClose(array, want(`grad.${name}`), { rtol: 1e-3, atol: 1e-6, label: name });
}

describe('gradient of the whole network in training mode', () => {
  beforeAll(async () => {
    await native();
    ensureGradients();
  });

  it('golden training: by every weight, eagerly', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const out = gradients({ params: toTensors(weights, network.parameters), ...batch0() });
      check(out);
      out.items.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('golden training: by every weight, as one graph, with the same bits at every run', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const { bytes, shape, images: _, ...labels } = batch0();
      const params = toTensors(weights, network.parameters);
      const step = compile((inputs: Inputs) => gradients(inputs));
      const run = () => step({ params, images: { data: bytes, shape }, ...labels });
      const first = run();
      check(first);
      const [a, b] = [fromTensors(first.grads), fromTensors(run().grads)];
      for (const { name } of trained)
        expect(Buffer.from(b.get(name)!.data.buffer).equals(Buffer.from(a.get(name)!.data.buffer)), name).toBe(true);
      step.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
