import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { type Rng, rng } from '../../src/core/rng.js';
import { differentiate } from '../../src/graph/gradients.js';
import { batchNormTrain, biasAdd, conv2d, maxPool5, silu, stopGradient, upsample2x } from '../../src/nn/kernels.js';
import { expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

const PROGRAMS = 520;
/** Programs of one graph: loading a graph costs more than running it. */
const TOGETHER = 26;
const STEPS = 8;

type T = tf.Tensor;
/** A value of a program; exact: made without rounding, so that a comparison gives the same on every way of computing. */
type Value = { x: T; exact: boolean };
type Op = (r: Rng, pool: Value[], inputs: T[]) => Value | undefined;

const pick = <U>(r: Rng, list: readonly U[]): U => list[r.int(list.length)];
const soft = (x: T) => tf.tanh(x); // keeps values small, and so rounding differences too

/** Same size in one try out of a few, else undefined. */
function partner(r: Rng, pool: Value[], { x }: Value, fits: (y: T) => boolean = (y) => `${y.shape}` === `${x.shape}`) {
  const found = pool.filter((v) => fits(v.x));
  return found.length ? pick(r, found) : undefined;
}

const elementwise =
  (fn: (x: T) => T, exact = false): Op =>
  (r, pool) => {
    const v = pick(r, pool);
    return { x: fn(v.x), exact: exact && v.exact };
  };

const rearranged =
  (fn: (r: Rng, x: T) => T | undefined): Op =>
  (r, pool) => {
    const v = pick(r, pool);
    const x = fn(r, v.x);
    return x && { x, exact: v.exact };
  };

const binary =
  (fn: (a: T, b: T) => T, exact = false): Op =>
  (r, pool) => {
    const a = pick(r, pool);
    const b = partner(
      r,
      pool,
      a,
      (y) =>
        y.shape.length === a.x.shape.length &&
        y.shape.every((d, i) => d === a.x.shape[i] || d === 1 || a.x.shape[i] === 1),
    );
    return b && { x: fn(a.x, b.x), exact: exact && a.exact && b.exact };
  };

/** Only on exact values: a rounding difference would tip it over. */
const decided =
  (fn: (r: Rng, x: T, pool: Value[]) => T | undefined): Op =>
  (r, pool) => {
    const v = partner(r, pool, pool[0], () => true);
    const x = v?.exact ? fn(r, v.x, pool) : undefined;
    return x && { x, exact: false };
  };

const image: Op = (r, pool, inputs) => {
  const v = partner(r, pool, pool[0], (y) => y.shape.length === 4 && y.shape[1] >= 2 && y.size <= 2000);
  if (!v) return undefined;
  const c = v.x.shape[3]!;
  const w = inputs.slice(-3);
  const kernel = tf.tile(tf.reshape(tf.slice(tf.reshape(w[0], [-1]), 0, 9), [3, 3, 1, 1]), [1, 1, c, 2]);
  const mixed = tf.mul(kernel, tf.reshape(tf.linspace(-1, 1, 2 * c), [1, 1, c, 2]));
  const channels = (t: T) => tf.tile(tf.slice(tf.reshape(t, [-1]), 0, 1), [c]);
  const x = pick(r, [
    () => soft(conv2d(v.x, mixed, 1 + r.int(2))),
    () => soft(batchNormTrain(v.x, channels(w[1]), channels(w[2]), 0.1).y),
    () => maxPool5(v.exact ? v.x : soft(v.x)),
    () => upsample2x(v.x),
    () => biasAdd(v.x, channels(w[2])),
  ])();
  return { x, exact: false };
};

// biome-ignore format: a table
const OPS: Op[] = [
  binary(tf.add, true), binary(tf.sub, true), binary((a, b) => soft(tf.mul(a, b))), binary((a, b) => tf.div(a, tf.add(tf.square(b), 1))),
  binary((a, b) => soft(tf.squaredDifference(a, b))), binary((a, b) => tf.atan2(a, tf.add(tf.abs(b), 1))),
  binary((a, b) => tf.pow(tf.add(tf.sigmoid(a), 0.5), tf.sigmoid(b))),
  elementwise(silu), elementwise(tf.sigmoid), elementwise(tf.tanh), elementwise(tf.neg, true), elementwise(tf.softplus),
  elementwise((x) => tf.sqrt(tf.add(tf.square(x), 0.1))), elementwise((x) => tf.exp(tf.neg(tf.square(x)))), elementwise(tf.sin),
  elementwise((x) => tf.log1p(tf.square(x))), elementwise(tf.atan), elementwise((x) => tf.rsqrt(tf.add(tf.square(x), 0.5))),
  elementwise((x) => (x.shape.length ? tf.softmax(x) : x)), elementwise((x) => (x.shape.length ? tf.logSoftmax(soft(x)) : x)),
  elementwise((x) => tf.mul(x, 0.5), true), elementwise((x) => tf.add(x, 1), true), elementwise((x) => tf.mul(tf.onesLike(x), x), true),
  elementwise((x) => tf.add(x, stopGradient(() => tf.sigmoid(x)))),
  elementwise((x) => tf.customGrad((v) => ({ value: tf.mul(v as T, 1), gradFunc: (dy: T) => tf.mul(dy, 0.25) }))(x)),
  rearranged((_, x) => (x.size <= 600 ? tf.reshape(x, [-1]) : undefined)),
  rearranged((r, x) => (x.shape.length > 1 ? tf.transpose(x, r.shuffle(x.shape.map((_, i) => i))) : undefined)),
  rearranged((r, x) => tf.expandDims(x, r.int(Math.min(x.shape.length, 3) + 1)).shape.length <= 4 ? tf.expandDims(x, 0) : undefined),
  rearranged((_, x) => tf.squeeze(x)),
  rearranged((r, x) => (x.shape.length ? tf.reverse(x, r.int(x.shape.length)) : undefined)),
  rearranged((r, x) => {
    if (!x.shape.length) return undefined;
    const at = r.int(x.shape.length);
    return x.shape[at] < 2 ? undefined : tf.slice(x, x.shape.map((_, i) => +(i === at)), x.shape.map((d, i) => (i === at ? d - 1 : d)));
  }),
  rearranged((r, x) => (x.shape.length && x.size < 300 ? tf.pad(x, x.shape.map(() => [r.int(2), r.int(2)] as [number, number]), 0.5) : undefined)),
  rearranged((r, x) => (x.shape.length && x.shape.length <= 4 && x.size < 200 ? tf.tile(x, x.shape.map(() => 1 + r.int(2))) : undefined)),
  rearranged((r, x) => (x.shape.length ? tf.gather(x, tf.tensor1d(Array.from({ length: 3 }, () => r.int(x.shape[0])), 'int32')) : undefined)),
  (r, pool) => {
    const a = pick(r, pool.filter((v) => v.x.shape.length > 0));
    if (!a) return undefined;
    const at = r.int(a.x.shape.length);
    const b = partner(r, pool, a, (y) => y.shape.length === a.x.shape.length && y.shape.every((d, i) => i === at || d === a.x.shape[i]));
    return b && b.x.size + a.x.size < 2000 ? { x: tf.concat([a.x, b.x], at), exact: a.exact && b.exact } : undefined;
  },
  (r, pool) => {
    const v = partner(r, pool, pool[0], (y) => y.shape.length > 0 && y.shape[y.shape.length - 1] % 2 === 0);
    if (!v) return undefined;
    const [a, b] = tf.split(v.x, 2, -1);
    return { x: r.next() < 0.5 ? tf.sub(a, b) : tf.stack([b, a]).shape.length > 4 ? a : tf.stack([b, a]), exact: v.exact };
  },
  (r, pool) => {
    const v = partner(r, pool, pool[0], (y) => y.shape.length > 0);
    if (!v) return undefined;
    const axis = r.next() < 0.2 ? undefined : r.int(v.x.shape.length);
    const reduce = pick(r, [tf.sum, tf.mean, tf.sum]);
    return { x: soft(reduce(v.x, axis, r.next() < 0.5)), exact: false };
  },
  (r, pool) => {
    const a = partner(r, pool, pool[0], (y) => y.shape.length === 2);
    const b = a && partner(r, pool, a, (y) => y.shape.length === 2 && y.shape[0] === a.x.shape[1]);
    if (!a) return undefined;
    return { x: soft(b ? tf.matMul(a.x, b.x) : tf.matMul(a.x, a.x, true, false)), exact: false };
  },
  decided((_, x) => tf.relu(x)), decided((_, x) => tf.abs(x)), decided((_, x) => tf.clipByValue(x, -0.5, 0.75)),
  decided((_, x) => tf.mul(x, tf.floor(x))), decided((_, x) => tf.where(tf.greater(x, 0.1), x, tf.mul(x, 0.5))),
  decided((_, x) => tf.mul(x, tf.cast(tf.lessEqual(x, 0), 'float32'))), decided((r, x) => (x.shape.length ? tf.max(x, r.int(x.shape.length)) : undefined)),
  decided((_, x) => (x.shape.length ? tf.cast(tf.argMax(x, -1), 'float32') : undefined)),
  decided((_, x) => (x.shape.length ? stopGradient(() => tf.mean(tf.oneHot(tf.topk(x, 1).indices, 8), -1)) : undefined)),
  decided((r, x, pool) => {
    const b = partner(r, pool, { x, exact: true });
    return b?.exact ? (r.next() < 0.5 ? tf.maximum(x, b.x) : tf.minimum(b.x, x)) : undefined;
  }),
  image, image, image,
];

const SHAPES = [[2, 4, 4, 2], [2, 4], [4], [2, 1], [4, 3], [1], []];

/** Multiples of 1/32: sums and halves of them are exact in float32. */
function inputsOf(seed: number): T[] {
  const r = rng(seed, 1);
  const shapes = [pick(r, SHAPES), pick(r, SHAPES), [2, 4, 4, 2], [3, 4], [3, 4], [3, 4]];
  return shapes.map((shape) =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (r.int(129) - 64) / 32),
      shape,
    ),
  );
}

/** Runs the program of this seed: STEPS random ops, then the sum of what they made, and its gradients. */
function program(seed: number, inputs: T[]) {
  const forward = () => {
    const r = rng(seed, 2);
    const pool: Value[] = inputs.map((x) => ({ x, exact: true }));
    for (let made = 0, tries = 0; made < STEPS && tries < 200; tries++) {
      const v = pick(r, OPS)(r, pool, inputs);
      if (!v) continue;
      pool.push(v);
      made++;
    }
    const made = pool.slice(inputs.length).map(({ x }) => x);
    const loss = tf.addN(made.map((x) => tf.mean(tf.mul(x, 0.5))));
    return { loss, rest: made };
  };
  const { loss, rest, gradients } = differentiate(forward, inputs);
  return { loss, rest, gradients };
}

for (let first = 0; first < PROGRAMS; first += TOGETHER) {
  const seeds = Array.from({ length: TOGETHER }, (_, i) => first + i);
  it(`random programs ${first} to ${first + TOGETHER - 1}: traced gives what eager gives`, () => {
    tf.tidy(() => {
      const inputs = seeds.map(inputsOf);
      const all = (xs: T[][]) => xs.map((x, i) => program(seeds[i], x));
      const compiled = compile(all);
      const got = compiled(inputs);
      seeds.forEach((seed, i) => {
        const want = program(seed, inputs[i]);
        const pairs = [
          ...want.rest.map((w, k) => [w, got[i].rest[k], 'step', k] as const),
          ...want.gradients.map((w, k) => [w, got[i].gradients[k], 'gradient', k] as const),
        ];
        for (const [w, g, what, k] of pairs) {
          expect(g.dtype).toBe(w.dtype);
          expectClose(
            { shape: g.shape, data: g.dataSync() },
            { shape: w.shape, data: w.dataSync() },
            { rtol: 2e-5, atol: 2e-5, label: `program ${seed}, ${what} ${k}` },
          );
        }
      });
      compiled.dispose();
    });
  });
}
