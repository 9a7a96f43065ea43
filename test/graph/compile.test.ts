import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { differentiate } from '../../src/graph/gradients.js';
import { loadedTensorflow } from '../../src/graph/tensorflow.js';
import { trace } from '../../src/graph/trace.js';
import { batchNormTrain, biasAdd, conv2d, maxPool5, silu, stopGradient, upsample2x } from '../../src/nn/kernels.js';
import { expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

const random = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);
const plain = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });
type Net = { x: tf.Tensor; w: tf.Tensor[]; gamma: tf.Tensor; beta: tf.Tensor };

/** A small network with every operation of nn/ops, its loss, and the gradients of all weights. */
function step({ x, w, gamma, beta }: Net) {
  const forward = () => {
    const n = batchNormTrain(conv2d(x, w[0], 2), gamma, beta);
    const a = silu(n.y);
    const up = upsample2x(maxPool5(conv2d(a, w[1])));
    const joined = tf.concat([biasAdd(conv2d(up, w[2], 2), tf.slice(beta, 0, 4)), a], 3);
    const [left, right] = tf.split(joined, 2, 3);
    const target = stopGradient(() => tf.tanh(left));
    const loss = tf.mean(tf.square(tf.sub(tf.mul(left, right), target)));
    return { loss, rest: [n.mean, n.variance] };
  };
  const { loss, rest, gradients } = differentiate(forward, [...w, gamma, beta]);
  return { value: loss, grads: gradients, stats: rest };
}

function net(): Net {
  const w = [random([3, 3, 3, 4], 1), random([3, 3, 4, 4], 2), random([1, 1, 4, 4], 3)];
  return { x: random([2, 8, 8, 3], 4), w, gamma: random([4], 5), beta: random([4], 6) };
}

it('a training step, traced, gives what it gives eagerly', () => {
  const inputs = net();
  const eager = tf.tidy(() => step(inputs));
  const compiled = compile(step);
  const got = compiled(inputs);
  expectClose(plain(got.value), plain(eager.value), { rtol: 1e-6 });
  got.grads.forEach((g, i) => {
    expectClose(plain(g), plain(eager.grads[i]), { rtol: 1e-5, label: `gradient ${i}` });
  });
  got.stats.forEach((g, i) => {
    expectClose(plain(g), plain(eager.stats[i]), { rtol: 1e-6 });
  });
  compiled.dispose();
});

it('gives the same bits run after run', () => {
  const inputs = net();
  const compiled = compile(step);
  const bits = () => {
    const out = tf.tidy(() => compiled(inputs));
    return [out.value, ...out.grads].map((t) => Buffer.from(t.dataSync().buffer).toString('hex')).join();
  };
  const first = bits();
  for (let i = 0; i < 10; i++) expect(bits()).toBe(first);
  compiled.dispose();
});

describe('signatures', () => {
  it('each has a graph of its own; all answer rightly side by side', () => {
    let traced = 0;
    const twice = compile(({ x }: { x: tf.Tensor }) => {
      traced++;
      return { y: tf.mul(x, 2), size: tf.scalar(x.size) };
    });
    for (let round = 0; round < 2; round++) {
      for (const shape of [[3], [2, 2], []]) {
        const x = random(shape, 7);
        const { y, size } = twice({ x });
        expectClose(plain(y), plain(tf.mul(x, 2)), {});
        expect(size.dataSync()[0]).toBe(x.size);
      }
    }
    expect([...twice({ x: tf.tensor1d([1, 2, 3], 'int32') }).y.dataSync()]).toEqual([2, 4, 6]);
    expect(traced).toBe(4);
    expect(twice.graphs).toBe(4);
    twice.dispose();
    expect(twice.graphs).toBe(0);
    expect([...twice({ x: tf.tensor1d([5]) }).y.dataSync()]).toEqual([10]);
    twice.dispose();
  });

  it('records may lack or gain entries: another signature', () => {
    const sum = compile((xs: Record<string, tf.Tensor>) => ({ total: tf.addN(Object.values(xs)) }));
    expect(sum({ a: tf.scalar(1), b: tf.scalar(2) }).total.dataSync()[0]).toBe(3);
    expect(sum({ a: tf.scalar(1), b: tf.scalar(2), c: tf.scalar(4) }).total.dataSync()[0]).toBe(7);
    sum.dispose();
  });
});

describe('constants and variables', () => {
  it('captured tensors are read once and stay where they are', () => {
    const big = random([40, 50], 8);
    const before = tf.memory().numTensors;
    const f = compile((x: tf.Tensor) => tf.add(tf.matMul(x as tf.Tensor2D, big as tf.Tensor2D), tf.scalar(0.5)));
    const x = random([3, 40], 9);
    const y = f(x);
    expect(tf.memory().numTensors).toBe(before + 2);
    expectClose(plain(y), plain(tf.add(tf.matMul(x as tf.Tensor2D, big as tf.Tensor2D), 0.5)), { rtol: 1e-6 });
    expect(big.dataSync().length).toBe(2000);
    big.dispose();
    expectClose(plain(f(x)), plain(y), {});
    f.dispose();
  });

  it('variables are read at every run, and gradients reach them', () => {
    const v = tf.variable(tf.tensor1d([1, 2, 3]), true);
    const f = compile((x: tf.Tensor) => {
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.mul(tf.square(v), x)) as tf.Scalar, [v]);
      return { value, grad: grads[v.name] };
    });
    const x = tf.tensor1d([1, 1, 2]);
    expect(f(x).value.dataSync()[0]).toBe(23);
    v.assign(tf.tensor1d([2, 0, 1]));
    expect(f(x).value.dataSync()[0]).toBe(6);
    expect([...f(x).grad.dataSync()]).toEqual([4, 0, 4]);
    expect(f.graphs).toBe(1);
    f.dispose();
    v.dispose();
  });

  it('frozen, variables become constants', () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    const spec = { shape: [2], dtype: 'float32' as const };
    const free = trace((x: tf.Tensor) => tf.mul(x, v), spec);
    const frozen = trace((x: tf.Tensor) => tf.mul(x, v), spec, { freeze: true });
    expect(free.variables.length).toBe(1);
    expect(frozen.variables.length).toBe(0);
    expect(frozen.nodes.map((n) => n.op).sort()).toEqual(['Const', 'Identity', 'Mul', 'Placeholder']);
    v.dispose();
  });
});

it('bytes are fed as they are and seen as float32', () => {
  const f = compile(({ image }: { image: tf.Tensor }) => ({
    half: tf.div(image, 2),
    dtype: tf.scalar(+(image.dtype === 'float32')),
  }));
  const data = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
  const out = f({ image: { data, shape: [1, 2, 2, 3] } });
  expect([...out.half.dataSync()]).toEqual([...data].map((v) => v / 2));
  expect(out.dtype.dataSync()[0]).toBe(1);
  f.dispose();
});

it('results may be inputs, constants, the same tensor twice, bool or int32', () => {
  const f = compile((x: tf.Tensor) => {
    const y = tf.neg(x);
    return [x, y, y, tf.greater(x, 0), tf.argMax(x), tf.ones([2, 1]), tf.zeros([2000])];
  });
  const x = tf.tensor1d([1, -2, 5]);
  const got = f(x).map((t) => [t.dtype, t.shape, [...t.dataSync().slice(0, 4)]]);
  expect(got).toEqual([
    ['float32', [3], [1, -2, 5]],
    ['float32', [3], [-1, 2, -5]],
    ['float32', [3], [-1, 2, -5]],
    ['bool', [3], [1, 0, 1]],
    ['int32', [], [2]],
    ['float32', [2, 1], [1, 1]],
    ['float32', [2000], [0, 0, 0, 0]],
  ]);
  f.dispose();
});

it('compiled functions can be used in each other and under a tape', () => {
  const inner = compile((x: tf.Tensor) => tf.square(x));
  const outer = compile((x: tf.Tensor) => tf.grad((v: tf.Tensor) => tf.sum(tf.mul(inner(v), 3)))(x));
  expect([...outer(tf.tensor1d([1, 2])).dataSync()]).toEqual([6, 12]);
  expect([
    ...tf
      .grad((v: tf.Tensor) => inner(v))(tf.tensor1d([1, 2]))
      .dataSync(),
  ]).toEqual([2, 4]);
  expect(inner.graphs).toBe(0);
  outer.dispose();
});

describe('refusals', () => {
  const inside = (body: (x: tf.Tensor) => tf.Tensor) => () => compile(body)(tf.tensor1d([1, 2]));

  it('reading a value while tracing', () => {
    expect(inside((x) => tf.mul(x, x.dataSync()[0]))).toThrow(/read .*being traced/);
    expect(inside((x) => tf.mul(x, (x.arraySync() as number[])[0]))).toThrow(/read .*being traced/);
    expect(tf.getBackend()).toBe('tensorflow');
    expect(compile((x: tf.Tensor) => tf.neg(x))(tf.scalar(2)).dataSync()[0]).toBe(-2);
  });

  it('an op without a kernel: its name and the line that used it', () => {
    expect(inside((x) => tf.spectral.rfft(x))).toThrow(/the op '\w+' can't be traced.*compile\.test\.ts:\d+/);
  });

  it('a tensor of one trace in another', () => {
    let stolen: tf.Tensor | undefined;
    compile((x: tf.Tensor) => {
      stolen = tf.keep(tf.neg(x));
      return stolen;
    })(tf.scalar(1));
    expect(inside((x) => tf.add(x, stolen!))).toThrow(/one traced function was used in another/);
  });
});

describe('half', () => {
  it('is close to float32 and float32 outside', () => {
    const w = [random([3, 3, 3, 8], 1), random([3, 3, 8, 8], 2)];
    const b = random([8], 3);
    const f = (x: tf.Tensor) => {
      const a = silu(biasAdd(conv2d(x, w[0], 2), b));
      const y = tf.concat([upsample2x(maxPool5(a)), upsample2x(tf.add(a, silu(conv2d(a, w[1]))))], 3);
      return { y, p: tf.softmax(tf.reshape(y, [-1, 16])) };
    };
    const x = random([1, 16, 16, 3], 4);
    const compiled = compile(f, { half: true });
    const got = compiled(x);
    const want = f(x);
    expect(got.y.dtype).toBe('float32');
    expectClose(plain(got.y), plain(want.y), { rtol: 0.02 });
    expectClose(plain(got.p), plain(want.p), { rtol: 0.05 });
    const { nodes } = compiled.prepare(x);
    const convs = nodes.filter((n) => n.op === 'Conv2D');
    expect(convs.map((n) => n.attrs.T)).toEqual([{ type: 'bfloat16' }, { type: 'bfloat16' }]);
    expect(nodes.find((n) => n.op === 'Softmax')?.attrs.T).toEqual({ type: 'float32' });
    compiled.dispose();
  });
});

describe('bfloat16 and gradients', () => {
  it('convolutions and their gradients compute in bfloat16; weights, their gradients and the loss are float32', () => {
    const w = [random([3, 3, 3, 8], 1), random([3, 3, 8, 8], 2), random([1, 1, 16, 4], 3)];
    const f = ({ x }: { x: tf.Tensor }) =>
      differentiate(() => {
        const a = silu(conv2d(x, w[0], 2));
        const y = tf.concat([upsample2x(maxPool5(a)), upsample2x(tf.add(a, silu(conv2d(a, w[1]))))], 3);
        const last = conv2d(y, w[2], 1, 0, { precise: true });
        return { loss: tf.mean(tf.square(last)), rest: {} };
      }, w);
    const x = random([2, 16, 16, 3], 4);
    const compiled = compile(f, { half: true });
    const [got, want] = [compiled({ x }), f({ x })];
    expectClose(plain(got.loss), plain(want.loss), { rtol: 0.02 });
    got.gradients.forEach((g, i) => {
      const largest = tf.max(tf.abs(want.gradients[i])).dataSync()[0];
      expectClose(plain(g), plain(want.gradients[i]), { rtol: 0.05, atol: 0.02 * largest, label: `w[${i}]` });
    });
    const { nodes } = compiled.prepare({ x });
    const typesOf = (op: string) => nodes.filter((n) => n.op === op).map((n) => (n.attrs.T as { type: string }).type);
    expect(typesOf('Conv2D').sort()).toEqual(['bfloat16', 'bfloat16', 'float32']);
    const filters = [...typesOf('ConvFilterGrad'), ...typesOf('Conv2DBackpropFilter')];
    expect(new Set(typesOf('Conv2DBackpropInput'))).toEqual(new Set(['bfloat16']));
    const sums = loadedTensorflow()?.products ? 'float32' : 'bfloat16';
    expect(filters).toEqual([sums, sums, sums]);
    for (const op of ['MaxPoolGrad', 'ConcatV2']) expect(typesOf(op), op).toEqual(['bfloat16']);
    compiled.dispose();
  });
});

describe('nothing is left behind', () => {
  it('1,000 runs: tensors of tfjs', () => {
    const inputs = net();
    inputs.x.dataSync();
    const v = tf.variable(tf.scalar(0));
    const f = compile((i: Net & { bytes: tf.Tensor }) => {
      const s = step(i);
      return { ...s, plus: tf.add(tf.add(s.value, v), tf.sum(i.bytes)) };
    });
    const run = () => tf.dispose(f({ ...inputs, bytes: { data: new Uint8Array(12), shape: [12] } }));
    run();
    const { numTensors, numDataBuffers } = tf.memory();
    for (let i = 0; i < 1000; i++) run();
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    expect(f.graphs).toBe(1);
    f.dispose();
    v.dispose();
  });

  it('tracing, also when it fails', () => {
    const x = random([2, 3], 1);
    const before = { ...tf.memory() };
    const data = tf.engine().backend.numDataIds();
    trace((t: tf.Tensor) => tf.grad((u: tf.Tensor) => tf.sum(tf.mul(tf.sigmoid(u), x)))(t), {
      shape: [2, 3],
      dtype: 'float32',
    });
    expect(() => trace((t: tf.Tensor) => tf.tensor1d(t.dataSync()), { shape: [2, 3], dtype: 'float32' })).toThrow();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    expect(tf.engine().backend.numDataIds()).toBe(data);
  });
});
