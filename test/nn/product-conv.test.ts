/** ProductConv (native/fused) against a convolution in float64, each instruction set in a process of its own. */
import { expect, it } from 'vitest';
import '../helpers/native.js';
import { printedBy } from '../helpers/op-script.js';

const dist = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);

/** Batch, height, width, channels, filters, kernel, stride. */
const CASES = [
  [1, 1, 1, 3, 5, 3, 2],
  [2, 9, 6, 3, 16, 3, 2], // the first convolution
  [2, 7, 5, 16, 16, 3, 1],
  [3, 5, 7, 48, 80, 1, 1], // positions that don't fill a step
  [1, 6, 6, 64, 1, 1, 1],
  [2, 8, 10, 20, 33, 3, 2], // channels and filters that don't fill a vector
  [1, 2, 5, 5, 7, 5, 1], // a filter that is larger than the image
  [1, 4, 4, 4, 4, 1, 2],
  [2, 40, 41, 96, 200, 1, 1], // several blocks of positions and panels of filters
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

  /** [without bias, with bias, with bias and SiLU] */
  function wanted(x, filter, bias, stride) {
    const [b, h, w, c] = x.shape;
    const [size, , , k] = filter.shape;
    const [oh, ow] = [h, w].map((n) => Math.floor((n - 1) / stride) + 1);
    const sums = new Float64Array(b * oh * ow * k);
    for (let at = 0; at < b * oh * ow; at++)
      for (let tap = 0; tap < size * size; tap++) {
        const [image, row, column] = [Math.floor(at / ow / oh), Math.floor(at / ow) % oh, at % ow];
        const [i, j] = [row * stride + Math.floor(tap / size), column * stride + (tap % size)].map((n) => n - (size >> 1));
        if (i < 0 || j < 0 || i >= h || j >= w) continue;
        for (let e = 0; e < c; e++)
          for (let f = 0; f < k; f++)
            sums[at * k + f] += x.data[((image * h + i) * w + j) * c + e] * filter.data[(tap * c + e) * k + f];
      }
    const biased = sums.map((v, i) => v + bias.data[i % k]);
    return { shape: [b, oh, ow, k], values: [sums, biased, biased.map((v) => v / (1 + Math.exp(-v)))] };
  }

  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const results = ${JSON.stringify(CASES)}.map(([b, h, w, c, k, size, stride]) => {
    const random = rng(1);
    const tensor = (...shape) => {
      const data = Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => random.uniform(-1, 1));
      return { dtype: 'float32', shape, data };
    };
    const feeds = { x: tensor(b, h, w, c), filter: tensor(size, size, c, k), bias: tensor(k) };
    const session = Session.open({ rewriter: false });
    const node = (name, op, inputs, attrs) => ({ name, op, inputs, attrs });
    const conv = (name, inputs, silu) =>
      node(name, 'ProductConv', inputs, { T, N: inputs.length - 2, silu, kernel: [size, size], strides: [stride, stride] });
    session.add([
      ...Object.entries(feeds).map(([name, { shape }]) =>
        node(name, 'Placeholder', [], { dtype: T, shape: { shape: name === 'x' ? [-1, -1, -1, c] : shape } })),
      conv('conv', ['x', 'filter'], false),
      conv('biased', ['x', 'filter', 'bias'], false),
      conv('silu', ['x', 'filter', 'bias'], true),
    ]);
    const fetches = ['conv', 'biased', 'silu'];
    const all = session.plan({ feeds: Object.keys(feeds), fetches }).run(Object.values(feeds));
    const got = all.map((each) => valuesOf(each, 'float32'));
    const want = wanted(feeds.x, feeds.filter, feeds.bias, stride);
    const last = { ...feeds.x, shape: [1, h, w, c], data: feeds.x.data.slice((b - 1) * h * w * c) };
    const alone = session.plan({ feeds: ['x', 'filter'], fetches: ['conv'] }).run([last, feeds.filter]);
    const [single] = alone.map((each) => valuesOf(each, 'float32'));
    session.close();
    return {
      shapes: all.map(({ shape }) => shape),
      wanted: want.shape,
      differences: got.map((values, i) => largest(want.values[i].map((v, j) => v - values[j])) / largest(want.values[i])),
      alone: Buffer.from(single.buffer).equals(Buffer.from(got[0].slice(-single.length).buffer)),
      digest: createHash('sha256').update(Buffer.concat(got.map(({ buffer }) => Buffer.from(buffer)))).digest('hex'),
    };
  });
  console.log(JSON.stringify(results));
`;

interface Result {
  shapes: number[][];
  wanted: number[];
  differences: number[];
  alone: boolean;
  digest: string;
}

/** @returns undefined where the processor has no loops for it */
const resultsWith = (env: Record<string, string>) => printedBy<Result[]>(SCRIPT, env);

it.each(['AVX512_CORE', 'AVX2'])('with %s: as in float64', (ONEDNN_MAX_CPU_ISA) => {
  resultsWith({ ONEDNN_MAX_CPU_ISA })?.forEach(({ shapes, wanted, differences, alone }, i) => {
    expect(shapes, `${CASES[i]}`).toEqual([wanted, wanted, wanted]);
    for (const difference of differences) expect(difference, `${CASES[i]}`).toBeLessThan(1e-6);
    expect(alone, 'an image alone, and in a batch').toBe(true);
  });
});

it('has the same bits with any number of threads', () => {
  const [one, three] = ['1', '3'].map((count) => resultsWith({ TF_NUM_INTRAOP_THREADS: count }));
  expect(three?.map(({ digest }) => digest)).toEqual(one?.map(({ digest }) => digest));
});
