import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { useNative } from '../../src/backend/tfjs-node.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import type { HostTensor } from '../../src/graph/host-tensor.js';
import { Session } from '../../src/graph/session.js';
import { costOf } from '../../src/nn/cost.js';
import { foldBatchNorm, foldedArray, foldedParameters } from '../../src/nn/fold.js';
import { decode, forward } from '../../src/nn/forward.js';
import { fileShape, oihwToHwio } from '../../src/nn/layout.js';
import { buildNetwork, type Params } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { type GraphOptions, INPUT, networkGraph, OUTPUT } from '../../src/nn/network-graph.js';
import { summarizeNetwork } from '../../src/nn/summary.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { fromTensors, toTensors } from '../helpers/tensors.js';
import { DECODED, goldenYolo11 } from '../helpers/yolo11.js';

const sizes = JSON.parse(readFileSync(new URL('../golden/sizes-v11.json', import.meta.url), 'utf8'));
const networks = goldenYolo11().map((one) => ({
  ...one,
  network: buildNetwork(one.spec),
  weights: one.checkpoint.weights,
}));

const tensorOf = ({ shape, data }: Arrayish) => tf.tensor(data as Float32Array, [...shape]);
/** [B, A, C] as the golden file has it: [B, C, A]. */
const read = (t: tf.Tensor, perm?: number[]) => {
  const u = perm ? tf.transpose(t, perm) : t;
  return { shape: u.shape, data: u.dataSync() };
};
const flipped = (t: tf.Tensor) => read(t, [0, 2, 1]);

describe.each(engineReady() ? ['tensorflow', 'wasm'] : ['wasm'])('YOLO11 on %s', (backend) => {
  beforeAll(async () => {
    if (backend === 'tensorflow') expect(await useNative()).toBe(true);
    else await tf.setBackend(backend);
    await tf.ready();
  });

  for (const { scale, network, weights, want, names } of networks)
    for (const folded of [false, true])
      it(`golden model-v11 ${scale}: every tapped layer, boxes, scores, decoded; BatchNorm folded: ${folded}`, () => {
        const params = folded
          ? toTensors(foldBatchNorm(weights), foldedParameters(network.parameters))
          : toTensors(weights, network.parameters);
        tf.tidy(() => {
          const taps = new Map<string, tf.Tensor>();
          const out = forward(network, tensorOf(want('input')) as tf.Tensor4D, params, {
            tap: (i, y) => taps.set(`eval.layer${i}`, y),
          });
          const tapped = names('eval.layer');
          expect(tapped.length).toBeGreaterThan(5);
          for (const name of tapped) expectClose(read(taps.get(name)!), want(name), { rtol: 1e-4, label: name });
          expectClose(flipped(out.boxes), want('eval.boxes'), { rtol: 1e-4, label: 'boxes' });
          expectClose(flipped(out.scores), want('eval.scores'), { rtol: 1e-4, label: 'scores' });
          expectClose(read(decode(out)), want('eval.decoded'), { rtol: DECODED, label: 'decoded' });
        });
        tf.dispose(params);
      });
});

describe.runIf(engineReady())('YOLO11, native', () => {
  beforeAll(async () => {
    await useNative();
    ensureGradients();
  });

  for (const { scale, network, weights, want } of networks)
    it(`golden model-v11 ${scale}: training mode`, () => {
      const params = toTensors(weights, network.parameters);
      tf.tidy(() => {
        const out = forward(network, tensorOf(want('input')) as tf.Tensor4D, params, { training: true });
        expectClose(flipped(out.boxes), want('train.boxes'), { rtol: 1e-4, label: 'boxes' });
        expectClose(flipped(out.scores), want('train.scores'), { rtol: 1e-4, label: 'scores' });
        const running = network.parameters.filter(({ kind }) => kind === 'mean' || kind === 'variance');
        expect(Object.keys(out.statistics).sort()).toEqual(running.map(({ name }) => name).sort());
      });
      tf.dispose(params);
    });

  const [{ network, weights, want }] = networks;
  const trained = network.parameters.filter(({ kind }) => kind !== 'mean' && kind !== 'variance');

  /** Of the golden file's loss, mean(boxes · by_boxes) + mean(scores · by_scores). */
  function gradients({
    params,
    images,
    byBoxes,
    byScores,
  }: Record<'images' | 'byBoxes' | 'byScores', tf.Tensor> & { params: Params }): Params {
    const { grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
      const now = { ...params, ...Object.fromEntries(trained.map(({ name }, i) => [name, values[i]])) };
      const { boxes, scores } = forward(network, images as tf.Tensor4D, now, { training: true });
      return tf.add(tf.mean(tf.mul(boxes, byBoxes)), tf.mean(tf.mul(scores, byScores)));
    })(trained.map(({ name }) => params[name]));
    return Object.fromEntries(trained.map(({ name }, i) => [name, grads[i]]));
  }

  for (const [how, run] of [
    ['eagerly', gradients],
    ['as one graph', (inputs) => compile(gradients)(inputs)],
  ] as [string, typeof gradients][])
    it(`golden model-v11: gradient by every weight, ${how}`, () => {
      tf.tidy(() => {
        const by = (name: string) => tf.transpose(tensorOf(want(name)), [0, 2, 1]);
        const params = toTensors(weights, network.parameters);
        const grads = fromTensors(
          run({
            params,
            images: tensorOf(want('input')),
            byBoxes: by('train.by_boxes'),
            byScores: by('train.by_scores'),
          }),
        );
        for (const { name } of trained)
          expectClose(grads.get(name)!, want(`grad.${name}`), { rtol: 1e-3, atol: 1e-6, label: name });
      });
    });

  const sessions: Session[] = [];
  afterAll(() => {
    for (const session of sessions) session.close();
  });

  for (const { scale, network, weights, want } of networks)
    for (const [name, options, rtol] of [
      ['of any batch, height and width', {}, DECODED],
      ['of one shape', { shape: [2, 64, 96] }, DECODED],
      ['of any size, with bfloat16 feature maps', { half: true }, 3e-2],
      ['of one shape, with bfloat16 feature maps', { shape: [2, 64, 96], half: true }, 3e-2],
    ] as [string, GraphOptions, number][])
      it(`golden model-v11 ${scale}: eval.decoded from a graph ${name}`, () => {
        const session = Session.open();
        sessions.push(session);
        const graph = networkGraph(
          network.spec,
          (list, parameter, shape) => {
            const { data } = foldedArray(weights, parameter)!;
            const values = shape.length === 4 ? oihwToHwio(data, shape) : data;
            return list.constant({ dtype: 'float32', shape, values }, parameter);
          },
          options,
        );
        session.add(graph.nodes);
        const { shape, data } = want('input');
        const images: HostTensor = { dtype: 'float32', shape, data: data as Float32Array };
        const [output] = session.plan({ feeds: [INPUT], fetches: [OUTPUT] }).run([images]);
        expectClose(output as Arrayish, want('eval.decoded'), { rtol });
      });
});

describe('YOLO11 as a description', () => {
  // What the reference says of each: layers and GFLOPs at 640, and the same with BatchNorm folded.
  const published: Record<string, [number, number, number, number]> = {
    n: [181, 6.6733184, 100, 6.5425024],
    s: [181, 21.8363392, 100, 21.58976],
    m: [231, 68.643072, 125, 68.104448],
    l: [357, 87.8510592, 190, 87.155968],
    x: [357, 196.3150848, 190, 195.272448],
  };
  for (const [scale, { parameters, convolutions }] of Object.entries<{
    parameters: number;
    convolutions: number | object;
  }>(sizes))
    it(`golden sizes-v11: parameters and convolutions of ${scale}`, () => {
      const spec = parseModelYaml(`yolo11${scale}.yaml`);
      expect(spec.title).toBe(`YOLO11${scale}`);
      const [plain, fused] = [false, true].map((fused) => summarizeNetwork(spec, { fused }));
      expect(plain.parameters).toBe(parameters);
      const [layers, gflops, fusedLayers, fusedGflops] = published[scale];
      expect([plain.layers, fused.layers]).toEqual([layers, fusedLayers]);
      expect(plain.gflops).toBeCloseTo(gflops, 6);
      expect(fused.gflops).toBeCloseTo(fusedGflops, 6);
      const kernels = costOf(spec).parameters.filter(({ shape }) => shape.length === 4);
      if (typeof convolutions === 'number') return expect(kernels.length + 1).toBe(convolutions); // and that of DFL
      const given = Object.fromEntries(
        kernels.map(({ name, shape }) => [name.replace(/\.weight$/, ''), fileShape(shape)]),
      );
      expect({ ...given, 'model.23.dfl.conv': [1, 16, 1, 1] }).toEqual(convolutions);
    });

  const rows = (head: unknown[]) => ({
    nc: 2,
    backbone: [[-1, 1, 'Conv', [64, 3, 2]]],
    head: [...head, [[-1], 1, 'Detect', ['nc']]],
  });
  it('the class branch follows the modules of the network', () => {
    const kernels = (head: unknown[]) => costOf(parseModelYaml(rows(head))).parameters.map(({ name }) => name);
    expect(kernels([[-1, 1, 'C3k2', [64]]])).toContain('model.2.cv3.0.0.1.conv.weight');
    expect(kernels([[-1, 1, 'C2f', [64]]])).toContain('model.2.cv3.0.0.conv.weight');
  });

  it('DWConv: a kernel for each channel, whose number stays', () => {
    const { parameters } = costOf(parseModelYaml(rows([[-1, 1, 'DWConv', [64, 5, 2]]])));
    expect(parameters.find(({ name }) => name === 'model.1.conv.weight')?.shape).toEqual([5, 5, 1, 64]);
    expect(() => parseModelYaml(rows([[-1, 1, 'DWConv', [32, 3]]]))).toThrow(/takes 64 channels and should give 32/);
  });

  it.each([
    [['C2PSA', [32]], /takes 64 channels, but should give 32/],
    [['C2PSA', [64, 3.11]], /199 channels can't be shared among 3 heads/],
    [['C3k2', [64, 'maybe']], /C3k should be true or false/],
    [['C3k2', [64, true, 0.5, true]], /fourth argument true is not supported/],
  ])('refuses %j', (row, message) => {
    expect(() => parseModelYaml(rows([[-1, 1, ...row]]))).toThrow(message);
  });
});
