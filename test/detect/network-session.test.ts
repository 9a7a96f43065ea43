import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { NetworkSession } from '../../src/detect/detectors/network-session.js';
import type { HostTensor } from '../../src/graph/host-tensor.js';
import { foldedArray } from '../../src/nn/fold.js';
import type { HeadOutput } from '../../src/nn/head.js';
import { tensorValues } from '../../src/nn/layout.js';
import { buildNetwork } from '../../src/nn/model.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { native } from '../helpers/native.js';
import { trainedModel } from '../helpers/trained-model.js';

beforeAll(native);

const { checkpoint, spec } = trainedModel();
const also = ({ scores }: HeadOutput, { factor }: { factor: tf.Tensor }) => ({
  best: tf.mul(tf.max(scores, 1), factor),
});

it('more shapes than a session may hold: another one goes on with the same weights', async () => {
  const session = new NetworkSession(buildNetwork(spec), { half: false, scale: 1 / 255, also, maxShapes: 2 });
  session.setWeights((parameter) => tensorValues(foldedArray(checkpoint.weights, parameter.name), parameter));
  const factor: HostTensor = { dtype: 'float32', shape: [], data: Float32Array.of(2) };
  const results = [];
  for (const width of [32, 64, 96, 32]) {
    const bytes = Uint8Array.from({ length: 32 * width * 3 }, (_, i) => (i * 31) % 256);
    const images = { dtype: 'uint8', shape: [1, 32, width, 3], data: bytes } as const;
    const { found: all, also: found } = await session.runWith(images, { factor }, -1);
    const { data, shape } = await session.run(images);
    const [anchors, rows] = all.rows.shape;
    expect(shape).toEqual([1, rows, anchors]);
    const columns = all.rows.data.map((_, i) => all.rows.data[(i % anchors) * rows + Math.floor(i / anchors)]);
    expectClose({ shape, data: columns }, { shape, data }, { rtol: 1e-5 });
    expect(found.best.shape).toEqual([1, spec.nc]);
    results.push(found.best as Arrayish);
  }
  expectClose(results[3], results[0], { rtol: 1e-6 });
  session.dispose();
  await expect(session.run({ dtype: 'uint8', shape: [1, 32, 32, 3], data: new Uint8Array(3072) })).rejects.toThrow(
    /closed/,
  );
});
