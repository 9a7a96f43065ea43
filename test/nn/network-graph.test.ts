import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ElementType, Graph } from '../../src/graph/graph.js';
import type { HostTensor } from '../../src/graph/host-tensor.js';
import { Session } from '../../src/graph/session.js';
import type { SessionConfig } from '../../src/graph/session-config.js';
import { loadedTensorflow } from '../../src/graph/tensorflow.js';
import { foldedArray } from '../../src/nn/fold.js';
import { decode, forward } from '../../src/nn/forward.js';
import { oihwToHwio } from '../../src/nn/layout.js';
import { buildNetwork } from '../../src/nn/model.js';
import { type GraphOptions, INPUT, networkGraph, OUTPUT } from '../../src/nn/network-graph.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';
import { toTensors } from '../helpers/tensors.js';
import { tinyModel } from '../helpers/tiny-model.js';
import { trainedModel } from '../helpers/trained-model.js';

type Model = Pick<ReturnType<typeof tinyModel>, 'spec' | 'checkpoint'>;

function graphOf({ spec, checkpoint }: Model, options: GraphOptions = {}): Graph {
  return networkGraph(
    spec,
    (list, name, shape) => {
      const { data } = foldedArray(checkpoint.weights, name)!;
      const values = shape.length === 4 ? oihwToHwio(data, shape) : data;
      return list.constant({ dtype: 'float32', shape, values }, name);
    },
    options,
  );
}

describe('the network as one TensorFlow graph', () => {
  const sessions: Session[] = [];
  function runner(model: Model, options?: GraphOptions, config?: SessionConfig): (images: HostTensor) => Arrayish {
    const session = Session.open(config);
    sessions.push(session);
    session.add(graphOf(model, options).nodes);
    const plan = session.plan({ feeds: [INPUT], fetches: [OUTPUT] });
    return (images) => plan.run([images])[0] as Arrayish;
  }
  const noise = (shape: number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: tf.tidy(() => tf.randomUniform(shape, 0, 1, 'float32', 5).dataSync() as Float32Array),
  });

  beforeAll(native);
  afterAll(() => {
    for (const session of sessions) session.close();
  });

  const tiny = tinyModel();
  const trained = trainedModel();
  const { file } = tiny;
  const input = pick(file, 'input') as { shape: number[]; data: Float32Array };
  const [b, h, w] = input.shape;
  for (const [name, options, rtol] of [
    ['of any batch, height and width', {}, 1e-4],
    ['of one size, any batch', { shape: [-1, h, w] }, 1e-4],
    ['of one batch, any size', { shape: [b, -1, -1] }, 1e-4],
    ['of one shape', { shape: [b, h, w] }, 1e-4],
    ['with bfloat16 feature maps', { half: true }, 3e-2],
  ] as [string, GraphOptions, number][])
    it(`golden model: eval.decoded from a graph ${name}`, () => {
      const images: HostTensor = { dtype: 'float32', shape: input.shape, data: input.data };
      expectClose(runner(tiny, options)(images), pick(file, 'eval.decoded') as Arrayish, { rtol });
    });

  it("oneDNN's fused ops give the bits of TensorFlow's graph optimization", (test) => {
    if (!loadedTensorflow()!.onednn) test.skip();
    expect(graphOf(trained, { fused: true })).toMatchObject({ allFused: true });
    expect(graphOf(trained)).toMatchObject({ allFused: false });
    const fused = runner(trained, { fused: true }, { rewriter: false });
    const optimized = runner(trained);
    for (const shape of [
      [1, 64, 96, 3],
      [4, 32, 32, 3],
    ])
      expect(fused(noise(shape))).toEqual(optimized(noise(shape)));
  });

  it('one graph serves every shape, and agrees with the network as tensors', () => {
    const network = buildNetwork(trained.spec);
    const run = runner(trained);
    const params = toTensors(trained.checkpoint.weights, network.parameters);
    for (const shape of [
      [1, 32, 32],
      [3, 64, 160],
      [2, 96, 32],
      [1, 32, 32],
    ]) {
      const images = noise([...shape, 3]);
      const want = tf.tidy(() => {
        const out = decode(
          forward(
            network,
            tf.tensor4d(images.data as Float32Array, images.shape as [number, number, number, number]),
            params,
          ),
        );
        return { shape: out.shape, data: out.dataSync() };
      });
      expectClose(run(images), want, { rtol: 1e-4 });
    }
    tf.dispose(params);
  });

  it('takes bytes, too', () => {
    const bytes = Uint8Array.from({ length: 32 * 64 * 3 }, (_, i) => (i * 37) % 256);
    const [asBytes, asFloats] = (['uint8', 'float32'] as ElementType[]).map((dtype) => runner(trained, { dtype }));
    const shape = [1, 32, 64, 3];
    const want = asFloats({ dtype: 'float32', shape, data: Float32Array.from(bytes) });
    expectClose(asBytes({ dtype: 'uint8', shape, data: bytes }), want, { rtol: 1e-6 });
  });

  it('a shape that is known leaves no arithmetic of sizes in the graph', () => {
    const ops = (options?: GraphOptions) => new Set(graphOf(trained, options).nodes.map(({ op }) => op));
    const sizes = ['Shape', 'Range', 'Unpack', 'Pack', 'BroadcastTo', 'Fill'];
    expect(sizes.filter((op) => ops({ shape: [1, 64, 64] }).has(op))).toEqual([]);
    expect(sizes.filter((op) => ops().has(op))).toEqual(sizes);
  });
});
