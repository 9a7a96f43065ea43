import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { useNative } from '../../src/backend/tfjs-node.js';
import type { NamedArray } from '../../src/core/types.js';
import { foldBatchNorm, foldedParameters } from '../../src/nn/fold.js';
import { decode, forward } from '../../src/nn/forward.js';
import { buildNetwork, type Network, type Params } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { golden, pick } from '../helpers/golden.js';
import { fromTensors, toTensors } from '../helpers/tensors.js';

const g = golden('model');
const want = (name: string) => pick(g, name) as Arrayish;
const sizes = JSON.parse(readFileSync(new URL('../golden/sizes.json', import.meta.url), 'utf8'));
const weights = new Map<string, NamedArray>();
for (const [name, { shape, data }] of g.tensors)
  if (name.startsWith('weights.')) weights.set(name.slice(8), { shape, data: data as Float32Array });
const network = buildNetwork(parseModelYaml(g.meta.yaml));
const count = (net: Network) =>
  net.parameters
    .filter(({ kind }) => kind !== 'mean' && kind !== 'variance')
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** [B, A, C] as the golden files have it: [B, C, A]. */
const read = (t: tf.Tensor, perm?: number[]) => {
  const u = perm ? tf.transpose(t, perm) : t;
  return { shape: u.shape, data: u.dataSync() };
};
const input = () => {
  const { shape, data } = want('input');
  return tf.tensor4d(data as Float32Array, shape as [number, number, number, number]);
};

function checkInference(params: Params, label: string): void {
  tf.tidy(() => {
    const taps = new Map<string, tf.Tensor>();
    const out = forward(network, input(), params, { tap: (i, y) => taps.set(`eval.layer${i}`, y) });
    const tapped = [...g.tensors.keys()].filter((name) => name.startsWith('eval.layer'));
    expect(tapped.length).toBeGreaterThan(5);
    for (const name of tapped)
      expectClose(read(taps.get(name)!), want(name), { rtol: 1e-4, label: `${label} ${name}` });
    expectClose(read(out.boxes, [0, 2, 1]), want('eval.boxes'), { rtol: 1e-4, label: `${label} boxes` });
    expectClose(read(out.scores, [0, 2, 1]), want('eval.scores'), { rtol: 1e-4, label: `${label} scores` });
    expectClose(read(decode(out)), want('eval.decoded'), { rtol: 1e-4, label: `${label} decoded` });
    expect(out.statistics).toEqual({});
  });
}

describe.each(engineReady() ? ['tensorflow', 'wasm'] : ['wasm'])('inference on %s', (backend) => {
  beforeAll(async () => {
    if (backend === 'tensorflow') expect(await useNative()).toBe(true);
    else await tf.setBackend(backend);
    await tf.ready();
  });

  it('golden model: every tapped layer, boxes, scores and decoded, with running statistics', () => {
    const params = toTensors(weights, network.parameters);
    checkInference(params, 'unfolded');
    tf.dispose(params);
  });

  it('golden model: the same with BatchNorm folded', () => {
    const params = toTensors(foldBatchNorm(weights), foldedParameters(network.parameters));
    checkInference(params, 'folded');
    tf.dispose(params);
  });
});

/** Running statistics of layer 0 after one pass, from the definition: 0.97 old + 0.03 batch, variance with n − 1. */
function statisticsOfLayer0() {
  const { shape, data: x } = want('input');
  const [b, h, w] = shape;
  const { data: kernel, shape: kernelShape } = want('weights.model.0.conv.weight');
  const channels = kernelShape[0];
  const n = (b * h * w) / 4;
  const at = (i: number, row: number, column: number, c: number) =>
    row < 0 || column < 0 || row >= h || column >= w ? 0 : x[((i * h + row) * w + column) * 3 + c];
  const running_mean = new Float64Array(channels);
  const running_var = new Float64Array(channels);
  for (let o = 0; o < channels; o++) {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < b; i++)
      for (let row = 0; row < h; row += 2)
        for (let column = 0; column < w; column += 2) {
          let y = 0;
          for (let c = 0; c < 3; c++)
            for (let p = 0; p < 9; p++)
              y += kernel[(o * 3 + c) * 9 + p] * at(i, row + Math.floor(p / 3) - 1, column + (p % 3) - 1, c);
          sum += y;
          squares += y * y;
        }
    const mean = sum / n;
    running_mean[o] = 0.97 * want('weights.model.0.bn.running_mean').data[o] + 0.03 * mean;
    const variance = (squares - n * mean * mean) / (n - 1);
    running_var[o] = 0.97 * want('weights.model.0.bn.running_var').data[o] + 0.03 * variance;
  }
  return { running_mean, running_var };
}

describe.runIf(engineReady())('network', () => {
  beforeAll(async () => {
    await useNative();
    await tf.setBackend('tensorflow');
  });

  it('golden model: training mode, batch statistics and the running ones after it', () => {
    const before = tf.memory().numTensors;
    const layer0 = statisticsOfLayer0();
    const params = toTensors(weights, network.parameters);
    tf.tidy(() => {
      const taps: tf.Tensor[] = [];
      const out = forward(network, input(), params, { training: true, tap: (_, y) => taps.push(y) });
      expectClose(read(out.boxes, [0, 2, 1]), want('train.boxes'), { rtol: 1e-4, label: 'boxes' });
      expectClose(read(out.scores, [0, 2, 1]), want('train.scores'), { rtol: 1e-4, label: 'scores' });
      expectClose(read(taps[21]), want('train.layer21'), { rtol: 1e-4, label: 'layer 21' });
      for (const key of ['running_mean', 'running_var'] as const) {
        const name = `model.0.bn.${key}`;
        const expected = { shape: [layer0[key].length], data: layer0[key] };
        expectClose(read(out.statistics[name]), expected, { rtol: 1e-5, label: key });
        // The golden file of today holds the statistics from before the pass: its generator restores the weights in place
        // before it saves. One that holds those after it is compared, too.
        const file = want(`train.${key}.model.0.bn`);
        if (`${file.data}` !== `${want(`weights.${name}`).data}`)
          expectClose(read(out.statistics[name]), file, { rtol: 1e-4, label: key });
      }
      const names = network.parameters
        .filter(({ kind }) => kind === 'mean' || kind === 'variance')
        .map(({ name }) => name);
      expect(Object.keys(out.statistics).sort()).toEqual(names.sort());
    });
    tf.dispose(params);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('golden model: number of parameters', () => {
    expect(count(network) + 16).toBe(g.meta.parameters);
  });

  for (const scale of Object.keys(sizes))
    it(`golden sizes: parameters of ${scale}, and shapes where they are given`, () => {
      const net = buildNetwork(parseModelYaml(`yolov8${scale}.yaml`));
      expect(count(net) + 16).toBe(sizes[scale].parameters_nc80);
      const shapes = Object.entries<number[]>(sizes[scale].shapes ?? {}).filter(([name]) => !name.includes('dfl'));
      for (const [name, [o, i, h, w]] of shapes)
        expect(net.parameters.find((p) => p.name === name)?.shape, name).toEqual([h, w, i, o]);
    });

  it('frozen layers keep their statistics and run on them', () => {
    tf.tidy(() => {
      const params = toTensors(weights, network.parameters);
      const all = new Set(network.spec.layers.map(({ index }) => index));
      const out = forward(network, input(), params, { training: true, frozenLayers: all });
      expect(out.statistics).toEqual({});
      expectClose(read(out.scores, [0, 2, 1]), want('eval.scores'), { rtol: 1e-4 });
      const some = forward(network, input(), params, { training: true, frozenLayers: new Set([0, 2]) });
      expect(Object.keys(some.statistics).some((name) => /^model\.(0|2)\./.test(name))).toBe(false);
      expect(some.statistics['model.1.bn.running_mean']).toBeDefined();
    });
  });

  it('init: bounds, biases of the head, the same for the same seed, a stream to each name', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => new Map(Object.entries(network.init(seed))));
    const kernel = 'model.4.m.0.cv1.conv.weight';
    expect(a.get(kernel)).toEqual(b.get(kernel));
    expect(a.get(kernel)).not.toEqual(c.get(kernel));
    const { shape, data } = a.get(kernel)!;
    const bound = 1 / Math.sqrt(shape[2] * 9);
    const rms = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(rms / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
    expect([...new Set(a.get('model.22.cv2.1.2.bias')!.data)]).toEqual([2]);
    const nc = network.spec.nc;
    expect(a.get('model.22.cv3.2.2.bias')!.data[0]).toBeCloseTo(Math.log(5 / nc / (640 / 32) ** 2), 5);
    expect(a.get('model.0.bn.running_var')!.data[0]).toBe(1);
  });

  it('an image alone gives what it gives in a batch, and A follows the size', () => {
    tf.tidy(() => {
      const params = toTensors(weights, network.parameters);
      const x = tf.randomUniform<tf.Rank.R4>([2, 64, 96, 3], 0, 1, 'float32', 3);
      const both = forward(network, x, params);
      expect(both.boxes.shape).toEqual([2, 8 * 12 + 4 * 6 + 2 * 3, 64]);
      expect(both.levels).toEqual([
        [8, 12],
        [4, 6],
        [2, 3],
      ]);
      const second = forward(network, tf.slice(x, [1], [1]), params);
      expectClose(read(second.scores), read(tf.slice(both.scores, [1], [1])), { rtol: 1e-5 });
    });
  });

  it('another class count, the hidden width of the class branch kept', () => {
    const n80 = parseModelYaml('yolov8n.yaml');
    const net = buildNetwork(n80, { nc: 3 });
    const width = (n: Network) => n.parameters.find(({ name }) => name === 'model.22.cv3.0.0.conv.weight')!.shape[3];
    expect(width(net)).toBe(80);
    expect(width(buildNetwork(parseModelYaml(n80.yaml, { nc: 3 })))).toBe(64);
    expect(net.parameters.find(({ name }) => name === 'model.22.cv3.0.2.bias')!.shape).toEqual([3]);
  });

  it('weights survive the way to tensors and back; a missing or misshapen one is named', () => {
    const params = toTensors(weights, network.parameters);
    const back = fromTensors(params);
    for (const { name } of network.parameters) expect(back.get(name), name).toEqual(weights.get(name));
    tf.dispose(params);
    const less = new Map(weights);
    less.delete('model.3.conv.weight');
    expect(() => toTensors(less, network.parameters)).toThrow(/no 'model.3.conv.weight'/);
    less.set('model.3.conv.weight', { shape: [1], data: new Float32Array(1) });
    expect(() => toTensors(less, network.parameters)).toThrow(/'model.3.conv.weight' has the shape \[1\]/);
  });
});
