import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { useNative } from '../../src/backend/tfjs-node.js';
import { rng } from '../../src/core/rng.js';
import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { createDetector, NetworkDetector } from '../../src/detect/detectors/network.js';
import { NetworkSession } from '../../src/detect/detectors/network-session.js';
import { NetworkTfjs } from '../../src/detect/detectors/network-tfjs.js';
import { decode, forward } from '../../src/nn/forward.js';
import type { HeadOutput } from '../../src/nn/head.js';
import { buildNetwork } from '../../src/nn/model.js';
import { expectClose, expectSameOutput } from '../helpers/close.js';
import { toTensors } from '../helpers/tensors.js';
import { trainedModel } from '../helpers/trained-model.js';

const trained = trainedModel();
const { spec } = trained;
const { nc } = spec;
const names = Array.from({ length: nc }, (_, i) => `thing ${i}`);
const checkpoint: Checkpoint = { ...trained.checkpoint, names };
const { weights } = checkpoint;
const runnerOn = (backend: string) => (backend === 'tensorflow' ? NetworkSession : NetworkTfjs);
const network = buildNetwork(spec);

function image(b: number, h: number, w: number): Uint8Array {
  const random = rng(b, h, w);
  return Uint8Array.from({ length: b * h * w * 3 }, () => random.int(256));
}

/** The same by the unfolded network, one operation at a time. */
function reference(bytes: Uint8Array, [b, h, w]: [number, number, number]) {
  const params = toTensors(weights, network.parameters);
  const out = tf.tidy(() =>
    decode(forward(network, tf.div(tf.tensor4d(Float32Array.from(bytes), [b, h, w, 3]), 255) as tf.Tensor4D, params)),
  );
  const data = out.dataSync() as Float32Array;
  tf.dispose([out, params]);
  return { shape: out.shape, data };
}

describe.each(engineReady() ? ['tensorflow', 'wasm'] : ['wasm'])('detector on %s', (backend) => {
  const runner = runnerOn(backend);
  beforeAll(async () => {
    if (backend === 'tensorflow') expect(await useNative()).toBe(true);
    else await tf.setBackend(backend);
    await tf.ready();
  });

  it("the reference's answers for two images", async () => {
    const detector = await createDetector(checkpoint, { runner });
    const { data, shape } = trained.images;
    expectSameOutput(await detector.infer(data, shape), trained.decoded, { rtol: 1e-4 });
    detector.dispose();
  });

  it("the reference's answers with augment", async () => {
    const detector = await createDetector(checkpoint, { augment: true, runner });
    const { data, shape } = trained.images;
    expectSameOutput(await detector.infer(data, shape), trained.augmented, { rtol: 1e-3 });
    detector.dispose();
  });

  for (const shape of [
    [1, 64, 96],
    [3, 96, 64],
    [1, 64, 64],
  ] as [number, number, number][])
    it(`${shape.join(' x ')} bytes give what the network gives`, async () => {
      const before = tf.memory().numTensors;
      const detector = await createDetector(checkpoint, { runner });
      const bytes = image(...shape);
      for (let repeat = 0; repeat < 2; repeat++) {
        const out = await detector.infer(bytes, shape);
        expectSameOutput(out, reference(bytes, shape), { rtol: 1e-4 });
      }
      expect([detector.stride, detector.names]).toEqual([32, names]);
      detector.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

  it('augment gives three scales, the first of them as without it', async () => {
    const detector = await createDetector(checkpoint, { augment: true, runner });
    const bytes = image(1, 128, 96);
    const { shape, data } = await detector.infer(bytes, [1, 128, 96]);
    const first = 16 * 12 + 8 * 6; // without the largest level
    const second = 16 * 12 + 8 * 6 + 4 * 3; // 106 x 79 padded to 128 x 96
    const third = 6 * 6 + 3 * 3; // 85 x 64 padded to 96 x 96, without the smallest level
    expect(shape).toEqual([1, 4 + nc, first + second + third]);
    const plain = reference(bytes, [1, 128, 96]);
    for (let row = 0; row < 4 + nc; row++)
      for (let i = 0; i < first; i += 7)
        expect(data[row * shape[2] + i]).toBeCloseTo(plain.data[row * plain.shape[2]! + i], 2);
    detector.dispose();
  });
});

type Numbers = { weights: tf.Tensor };

describe.each(engineReady() ? ['tensorflow', 'wasm'] : ['wasm'])('what is computed from the head, on %s', (backend) => {
  const runner = runnerOn(backend);
  beforeAll(async () => {
    if (backend === 'tensorflow') expect(await useNative()).toBe(true);
    else await tf.setBackend(backend);
  });

  const also = ({ boxes, scores, levels }: HeadOutput, { weights: each }: Numbers) => ({
    weighted: tf.sum(tf.mul(scores, each), [0, 1]),
    cells: tf.add(tf.scalar(levels[0][0] * levels[0][1]), tf.mul(tf.sum(boxes), 0)),
  });
  const each = Float32Array.from({ length: nc }, (_, i) => i + 1);
  const extra = { weights: { dtype: 'float32', shape: [nc], data: each } } as const;

  it('golden weights: it goes with the predictions, for several shapes and for new weights', async () => {
    const before = tf.memory().numTensors;
    const detector = new NetworkDetector(network, names, { runner }, also);
    detector.setWeights(weights);
    const expected = (bytes: Uint8Array, [b, h, w]: number[], now: Map<string, NamedArray>) =>
      tf.tidy(() => {
        const x = tf.div(tf.tensor4d(Float32Array.from(bytes), [b, h, w, 3]), 255) as tf.Tensor4D;
        const head = forward(network, x, toTensors(now, network.parameters));
        return also(head, { weights: tf.tensor(each) }).weighted.dataSync() as Float32Array;
      });
    const check = async (shape: [number, number, number], now: Map<string, NamedArray>) => {
      const bytes = image(...shape);
      const all = await detector.infer(bytes, shape);
      const { also: found, outputs } = await detector.inferWith(bytes, shape, extra, -1);
      const data = Float32Array.from(outputs.flatMap((output) => [...output.data]));
      expectClose({ shape: all.shape, data }, all, { rtol: 1e-5 });
      // Above the median of the best scores there are half of the anchors.
      const [, width, anchors] = all.shape;
      const best = outputs.flatMap((output) =>
        Array.from({ length: anchors }, (_, a) =>
          Math.max(...Array.from({ length: width - 4 }, (_, k) => output.data[(4 + k) * anchors + a])),
        ),
      );
      const middle = [...best].sort((p, q) => p - q)[best.length >> 1];
      const above = await detector.inferWith(bytes, shape, extra, middle);
      const count = above.outputs.reduce((sum, output) => sum + output.shape[2], 0);
      expect(count).toBe(best.filter((score) => score > middle).length);
      const got = { shape: [nc], data: found.weighted.data as Float32Array };
      expectClose(got, { shape: [nc], data: expected(bytes, shape, now) }, { rtol: 1e-4 });
      expect([...(found.cells.data as Float32Array)]).toEqual([(shape[1] / 8) * (shape[2] / 8)]);
    };
    await check([2, 64, 96], weights);
    const others = new Map(
      [...weights].map(([name, { shape, data }]) => [name, { shape, data: data.map((v) => v * 0.9) }]),
    );
    detector.setWeights(others);
    await check([1, 32, 64], others);
    await check([2, 64, 96], others);
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('detector', () => {
  it('names classes that the file does not name; refuses half without the native engine', async () => {
    await tf.setBackend('wasm');
    const detector = await createDetector({ ...checkpoint, names: ['one'] }, { runner: NetworkTfjs });
    expect(detector.names).toEqual(['one', ...Array.from({ length: nc - 1 }, (_, i) => `class${i + 1}`)]);
    detector.dispose();
    await expect(createDetector(checkpoint, { half: true, runner: NetworkTfjs })).rejects.toThrow(/native engine/);
  });

  it.runIf(engineReady())('half=true is near the full precision', async () => {
    await tf.setBackend('tensorflow');
    const bytes = image(1, 64, 64);
    const full = reference(bytes, [1, 64, 64]);
    const detector = await createDetector(checkpoint, { half: true });
    const out = await detector.infer(bytes, [1, 64, 64]);
    expectSameOutput(out, full, { rtol: 0.03 });
    detector.dispose();
  });
});

it('on wasm needs no more memory for a batch than for an image, and gives the same', async () => {
  await tf.setBackend('wasm');
  const detector = await createDetector(checkpoint, { runner: NetworkTfjs });
  const [count, side] = [4, 64];
  const batch = image(count, side, side);
  const size = batch.length / count;
  /** The output, and the most bytes of tensors after an operation. */
  const inferred = async (images: Uint8Array, n: number) => {
    let peak = 0;
    const engine = tf.engine();
    const run = engine.runKernel;
    engine.runKernel = ((...args: Parameters<typeof run>) => {
      const out = run.apply(engine, args);
      peak = Math.max(peak, tf.memory().numBytes);
      return out;
    }) as typeof run;
    const output = await detector.infer(images, [n, side, side]);
    engine.runKernel = run;
    return { output, peak };
  };
  const alone = [];
  for (let i = 0; i < count; i++) alone.push(await inferred(batch.subarray(i * size, (i + 1) * size), 1));
  const together = await inferred(batch, count);
  expect(together.peak).toBeLessThanOrEqual(alone[0].peak);
  expect([...together.output.data]).toEqual(alone.flatMap(({ output }) => [...output.data]));
  detector.dispose();
});
