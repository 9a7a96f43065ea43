import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineDir } from '../../bin/setup/paths.mjs';
import { differentiate } from '../../src/graph/gradients.js';
import { loadedTensorflow } from '../../src/graph/tensorflow.js';
import { batchNormSilu } from '../../src/nn/fused.js';
import { conv2d } from '../../src/nn/kernels.js';
import { expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

/** Where the set-up could not compile the ops (it says so) training goes on without them; CI must have them. */
const left = !existsSync(join(engineDir(), 'fused.node')) && !process.env.CI;

const random = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);
const plain = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });
const EPSILON = 1e-3;
/** Largest relative error of rounding to bfloat16, which has 8 significant bits. */
const BFLOAT16 = 2 ** -8;

/** x in bfloat16, made so by a convolution that changes nothing. */
function rounding(x: tf.Tensor): tf.Tensor {
  const channels = x.shape[3]!;
  return conv2d(x, tf.reshape(tf.eye(channels), [1, 1, channels, channels]));
}

type Inputs = Record<'x' | 'gamma' | 'beta' | 'mean' | 'variance', tf.Tensor>;

function inputs([b, h, w, c]: number[]): Inputs {
  return {
    x: tf.add(tf.mul(random([b, h, w, c], 1), random([c], 2)), tf.mul(random([c], 3), 5)),
    gamma: random([c], 4),
    beta: random([c], 5),
    mean: random([c], 6),
    variance: tf.abs(random([c], 7)),
  };
}

/** Value, new statistics, and the gradients of a weighted sum of everything that comes out. */
function step({ x, gamma, beta, mean, variance }: Inputs, withHalf: boolean) {
  const { rest, gradients } = differentiate(() => {
    const norm = { gamma, beta, mean, variance, epsilon: EPSILON, momentum: 0.03 };
    const out = batchNormSilu(x as tf.Tensor4D, norm, withHalf);
    const weighted = (t: tf.Tensor, k: number) =>
      tf.sum(tf.mul(t, tf.reshape(tf.sin(tf.mul(tf.range(0, t.size), k)), t.shape)));
    const loss = out.half ? tf.add(weighted(out.y, 1), weighted(out.half, 2)) : weighted(out.y, 1);
    return { loss, rest: { y: out.y, mean: out.mean, variance: out.variance } };
  }, [x, gamma, beta]);
  const [dx, dgamma, dbeta] = gradients;
  return { ...rest, dx, dgamma, dbeta };
}

it.skipIf(left)('the engine has the ops', () => expect(loadedTensorflow()?.ops).toHaveLength(1));

describe.skipIf(left)('BatchNorm and SiLU as one op give what they give one after the other', () => {
  for (const shape of [
    [2, 4, 4, 16],
    [1, 3, 5, 6],
    [2, 7, 9, 90],
    [3, 20, 20, 48],
    [4, 64, 64, 16], // several tasks
    [2, 40, 40, 256],
    [1, 1, 1, 8], // one value a channel: the variance with n − 1 counts as 0
  ]) {
    for (const withHalf of [false, true]) {
      it(`[${shape}]${withHalf ? ', with the second half once more' : ''}`, () => {
        const given = inputs(shape);
        const eager = tf.tidy(() => step(given, withHalf));
        const compiled = compile((i: Inputs) => step(i, withHalf));
        const ops = compiled.prepare(given).nodes.map(({ op }) => op);
        expect(ops).toContain(withHalf ? 'BatchNormSiluHalf' : 'BatchNormSilu');
        expect(ops).not.toContain('FusedBatchNormV3');
        const got = compiled(given);
        for (const key of Object.keys(eager) as (keyof typeof eager)[]) {
          const largest = tf.max(tf.abs(eager.dx)).dataSync()[0];
          const atol = key.startsWith('d') ? 1e-5 * Math.max(1, largest) : 1e-5;
          expectClose(plain(got[key]), plain(eager[key]), { rtol: 3e-5, atol, label: key });
        }
        compiled.dispose();
      });
    }
  }
});

describe.skipIf(left)('in bfloat16', () => {
  for (const withHalf of [false, true]) {
    it(`rounds what comes in and what goes out, and computes in float32 between${withHalf ? '; second half' : ''}`, () => {
      const given = inputs([2, 9, 7, 24]);
      const compiled = compile((i: Inputs) => step({ ...i, x: rounding(i.x) }, withHalf), { half: true });
      const ops = compiled.prepare(given).nodes.filter(({ op }) => op.startsWith('BatchNormSilu'));
      expect(ops.map(({ attrs }) => attrs.T)).toEqual([{ type: 'bfloat16' }, { type: 'bfloat16' }]);
      const rounded = { ...given, x: compile((i: Inputs) => rounding(i.x), { half: true })(given) };
      const [got, want] = [compiled(given), tf.tidy(() => step(rounded, withHalf))];
      for (const key of ['mean', 'variance'] as const) expectClose(plain(got[key]), plain(want[key]), { rtol: 1e-5 });
      expectClose(plain(got.y), plain(want.y), { rtol: BFLOAT16, atol: 1e-6, label: 'y' });
      for (const key of ['dx', 'dgamma', 'dbeta'] as const) {
        const largest = tf.max(tf.abs(want[key])).dataSync()[0];
        expectClose(plain(got[key]), plain(want[key]), {
          rtol: 3 * BFLOAT16,
          atol: 4 * BFLOAT16 * largest,
          label: key,
        });
      }
      compiled.dispose();
    });
  }
});

it.skipIf(left)('in bfloat16: values far from 0, where the exponential overflows', () => {
  const beta = [-3e38, -1e4, -100, -88, -20, -5, -0.01, 0, 0.01, 5, 20, 88, 100, 1e4, 3e38, 1];
  const given = { ...inputs([2, 3, 3, beta.length]), gamma: tf.zeros([beta.length]), beta: tf.tensor1d(beta) };
  const compiled = compile((i: Inputs) => step({ ...i, x: rounding(i.x) }, false), { half: true });
  const { y, dbeta } = compiled(given);
  const [first, slopes] = [[...y.dataSync()].slice(0, beta.length), [...dbeta.dataSync()]];
  beta.forEach((b, c) => {
    const want = b / (1 + Math.exp(-b));
    expect(Math.abs(first[c] - want), `silu(${b})`).toBeLessThanOrEqual(BFLOAT16 * Math.abs(want) + 1e-30);
    expect(slopes[c], `slope at ${b}`).toSatisfy(Number.isFinite);
  });
  compiled.dispose();
});

it.skipIf(left)('agrees with the definition in double precision', () => {
  const given = inputs([2, 6, 5, 7]);
  const [b, h, w, c] = given.x.shape as number[];
  const compiled = compile((i: Inputs) => step(i, false));
  const got = compiled(given);
  const [x, gamma, beta] = [given.x, given.gamma, given.beta].map((t) => t.dataSync());
  const n = b * h * w;
  const want = new Float64Array(x.length);
  for (let k = 0; k < c; k++) {
    const channel = Array.from({ length: n }, (_, r) => x[r * c + k]);
    const mean = channel.reduce((a, v) => a + v, 0) / n;
    const variance = channel.reduce((a, v) => a + (v - mean) ** 2, 0) / n;
    channel.forEach((v, r) => {
      const t = ((v - mean) / Math.sqrt(variance + EPSILON)) * gamma[k] + beta[k];
      want[r * c + k] = t / (1 + Math.exp(-t));
    });
    const unbiased = (variance * n) / (n - 1);
    expect(got.variance.dataSync()[k]).toBeCloseTo(given.variance.dataSync()[k] * 0.97 + unbiased * 0.03, 5);
    expect(got.mean.dataSync()[k]).toBeCloseTo(given.mean.dataSync()[k] * 0.97 + mean * 0.03, 5);
  }
  expectClose(plain(got.y), { shape: given.x.shape, data: want }, { rtol: 1e-6 });
  compiled.dispose();
});

describe.skipIf(left)('what comes in is not hidden', () => {
  it('NaN and infinity reach the output', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const given = inputs([1, 2, 2, 4]);
      const values = given.x.dataSync().slice();
      values[5] = bad;
      const compiled = compile((i: Inputs) => step(i, false));
      expect(compiled({ ...given, x: tf.tensor(values, [1, 2, 2, 4]) }).y.dataSync()[5]).toBeNaN();
      compiled.dispose();
    }
  });

  it('far from zero: silu(t) is t or 0', () => {
    const given = inputs([1, 1, 2, 1]);
    const wide = { ...given, x: tf.tensor([-1, 1], [1, 1, 2, 1]), gamma: tf.tensor([500]), beta: tf.tensor([0]) };
    const compiled = compile((i: Inputs) => step(i, false));
    const [low, high] = compiled(wide).y.dataSync();
    expect(Math.abs(low)).toBeLessThan(1e-30);
    expect(high).toBeCloseTo(500 / Math.sqrt(1 + EPSILON), 2);
    compiled.dispose();
  });
});

describe.skipIf(left)('gradients that come from several places are added up by the op that takes them', () => {
  /** Like C2f with two residual blocks: the concatenation's pieces, residuals and convolutions all feed the same gradients. */
  function chain(i: Inputs) {
    const { x, gamma, beta, mean, variance } = i;
    const half = gamma.shape[0] / 2;
    const norm = { gamma, beta, mean, variance, epsilon: EPSILON, momentum: 0.03 };
    const small = { ...norm, ...cut({ gamma, beta, mean, variance }, half) };
    const { loss, gradients } = differentiate(() => {
      const first = batchNormSilu(x as tf.Tensor4D, norm, true);
      const parts = [first.y];
      let from = first.half!;
      for (let block = 0; block < 2; block++) {
        from = tf.add(from, batchNormSilu(tf.mul(from, 1.5), small).y) as tf.Tensor4D;
        parts.push(from);
      }
      const joined = tf.concat(parts, -1);
      return { loss: tf.mean(tf.square(tf.sub(joined, tf.sin(joined)))), rest: {} };
    }, [x, gamma, beta]);
    return { loss, gradients };
  }
  function cut(parameters: Record<string, tf.Tensor>, n: number): Record<string, tf.Tensor> {
    return Object.fromEntries(Object.entries(parameters).map(([name, t]) => [name, tf.slice(t, 0, n)]));
  }

  it('and no sum or piece of them is made', () => {
    const given = inputs([2, 5, 6, 32]);
    const eager = tf.tidy(() => chain(given));
    const compiled = compile(chain);
    const { nodes } = compiled.prepare(given);
    expect(nodes.some(({ op }) => op === 'SplitV')).toBe(false);
    const parts = nodes.filter(({ op }) => op === 'BatchNormSiluGrad').map(({ attrs }) => attrs.N as number);
    expect(Math.max(...parts)).toBeGreaterThan(2);
    const got = compiled(given);
    expectClose(plain(got.loss), plain(eager.loss), { rtol: 1e-5 });
    got.gradients.forEach((g, i) => {
      expectClose(plain(g), plain(eager.gradients[i]), { rtol: 3e-5, label: `gradient ${i}` });
    });
    compiled.dispose();
  });

  it('to the same bits at every run', () => {
    const given = inputs([4, 40, 40, 32]);
    const compiled = compile(chain);
    const bits = () => {
      const { gradients } = compiled(given);
      const text = gradients.map((t) => Buffer.from(t.dataSync().buffer).toString('base64')).join();
      tf.dispose(gradients);
      return text;
    };
    const first = bits();
    for (let run = 0; run < 20; run++) expect(bits() === first, `run ${run}`).toBe(true);
    compiled.dispose();
  });
});
