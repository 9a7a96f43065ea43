/** WinogradConv, its gradients and ConvFilterGrad in float32 (native/fused) against TensorFlow's convolution, each setting in a process of its own. */
import { describe, expect, it } from 'vitest';
import '../helpers/native.js';
import { printedBy } from '../helpers/op-script.js';

const dist = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);

/** Batch, height, width, channels, filters. */
const CASES = [
  [1, 4, 4, 32, 32],
  [2, 1, 1, 32, 48],
  [3, 7, 5, 33, 40], // odd sides, channels and filters that don't fill a vector
  [2, 13, 12, 64, 80],
  [1, 9, 30, 80, 64],
  [2, 10, 11, 128, 112], // several panels of filters
  [1, 40, 41, 48, 200], // several blocks of tiles
];

/** Prints of each case the largest difference of the results, relative to the largest value, and a digest of their bits. */
const SCRIPT = `
  const { createHash } = await import('node:crypto');
  const { Session } = await import(${dist('graph/session.js')});
  const { loadTensorflow } = await import(${dist('graph/tensorflow.js')});
  const { rng } = await import(${dist('core/rng.js')});
  const { valuesOf } = await import(${dist('graph/host-tensor.js')});
  if (!loadTensorflow().winograd) {
    console.log('none');
    process.exit();
  }
  const T = { type: 'float32' };
  const same = { T, strides: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 1, 1, 1] };
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const results = ${JSON.stringify(CASES)}.map(([b, h, w, c, k]) => {
    const random = rng(1);
    const tensor = (...shape) => {
      const data = Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => random.uniform(-1, 1));
      return { dtype: 'float32', shape, data };
    };
    const feeds = { x: tensor(b, h, w, c), filter: tensor(3, 3, c, k), bias: tensor(k), dy: tensor(b, h, w, k) };
    const session = Session.open({ rewriter: false });
    const node = (name, op, inputs, attrs) => ({ name, op, inputs, attrs });
    const sizes = { dtype: 'int32', shape: [4], values: Int32Array.of(b, h, w, c) };
    const taps = { ...sizes, values: Int32Array.of(3, 3, c, k) };
    session.add([
      ...Object.entries(feeds).map(([name, { shape }]) =>
        node(name, 'Placeholder', [], { dtype: T, shape: { shape: name === 'filter' || name === 'bias' ? shape : [-1, ...shape.slice(1)] } })),
      node('sizes', 'Const', [], { dtype: { type: 'int32' }, value: { tensor: sizes } }),
      node('taps', 'Const', [], { dtype: { type: 'int32' }, value: { tensor: taps } }),
      node('conv', 'WinogradConv', ['x', 'filter'], { T, N: 0, silu: false }),
      node('biased', 'WinogradConv', ['x', 'filter', 'bias'], { T, N: 1, silu: false }),
      node('silu', 'WinogradConv', ['x', 'filter', 'bias'], { T, N: 1, silu: true }),
      node('grad', 'WinogradInputGrad', ['dy', 'filter'], { T }),
      node('filterGrad', 'WinogradFilterGrad', ['x', 'dy'], { T }),
      node('conv/want', 'Conv2D', ['x', 'filter'], same),
      node('biased/want', 'BiasAdd', ['conv/want', 'bias'], { T, data_format: 'NHWC' }),
      node('sigmoid', 'Sigmoid', ['biased/want'], { T }),
      node('silu/want', 'Mul', ['sigmoid', 'biased/want'], { T }),
      node('grad/want', 'Conv2DBackpropInput', ['sizes', 'filter', 'dy'], same),
      node('products', 'ConvFilterGrad', ['x', 'dy'], { T, kernel: [3, 3], strides: [1, 1] }),
      node('products/want', 'Identity', ['filterGrad/want'], { T }),
      node('filterGrad/want', 'Conv2DBackpropFilter', ['x', 'taps', 'dy'], same),
    ]);
    const names = ['conv', 'biased', 'silu', 'grad', 'filterGrad', 'products'];
    const plan = session.plan({ feeds: Object.keys(feeds), fetches: [...names, ...names.map((name) => name + '/want')] });
    const all = plan.run(Object.values(feeds));
    const values = all.map((tensor) => valuesOf(tensor, 'float32'));
    const alone = session.plan({ feeds: ['x', 'filter'], fetches: ['conv'] });
    const last = { ...feeds.x, shape: [1, h, w, c], data: feeds.x.data.slice((b - 1) * h * w * c) };
    const [single] = alone.run([last, feeds.filter]).map((tensor) => valuesOf(tensor, 'float32'));
    const result = {
      shapes: all.map(({ shape }) => shape),
      differences: names.map((_, i) => largest(values[i].map((v, j) => v - values[i + names.length][j])) / largest(values[i + names.length])),
      alone: Buffer.from(single.buffer).equals(Buffer.from(values[0].slice((b - 1) * h * w * k).buffer)),
      digest: createHash('sha256').update(Buffer.concat(values.slice(0, names.length).map(({ buffer }) => Buffer.from(buffer)))).digest('hex'),
    };
    session.close();
    return result;
  });
  console.log(JSON.stringify(results));
`;

interface Result {
  shapes: number[][];
  differences: number[];
  alone: boolean;
  digest: string;
}

/** @returns undefined where the processor has no loops for it */
const resultsWith = (env: Record<string, string>) => printedBy<Result[]>(SCRIPT, env);

describe('convolutions in float32', () => {
  it.each(['AVX512_CORE', 'AVX2'])('with %s are those of TensorFlow', (ONEDNN_MAX_CPU_ISA) => {
    const results = resultsWith({ ONEDNN_MAX_CPU_ISA });
    results?.forEach(({ shapes, differences, alone }, i) => {
      const [b, h, w, c, k] = CASES[i];
      const sizes = [...[k, k, k, c].map((channels) => [b, h, w, channels]), [3, 3, c, k], [3, 3, c, k]];
      expect(shapes, `${CASES[i]}`).toEqual([...sizes, ...sizes]);
      for (const difference of differences) expect(difference, `${CASES[i]}`).toBeLessThan(2e-6);
      expect(alone, 'an image alone, and in a batch').toBe(true);
    });
  });

  it('have the same bits with any number of threads', () => {
    const [one, three] = ['1', '3'].map((count) => resultsWith({ TF_NUM_INTRAOP_THREADS: count }));
    expect(three?.map(({ digest }) => digest)).toEqual(one?.map(({ digest }) => digest));
  });

  it('are not used without AVX2', () => {
    expect(resultsWith({ ONEDNN_MAX_CPU_ISA: 'SSE41' })).toBeUndefined();
  });
});
