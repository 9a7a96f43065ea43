import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { differentiate } from '../../src/graph/gradients.js';
import { expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

type T = tf.Tensor;
type Range = [low: number, high: number];
/** Function of its inputs; their shapes; how to fill them (default −2..2); 'value' leaves out the gradient. */
type Case = [name: string, fn: (...xs: T[]) => T | T[], shapes: number[][], range?: Range | 'value', how?: 'value'];

const i32 = (values: number[], shape?: number[]) => tf.tensor(values, shape, 'int32');
const V = 'value';

/** Broadcasting in all the ways that matter. */
const PAIRS = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [[3], []],
  [[1], [1, 1]],
  [
    [2, 0],
    [1, 0],
  ],
];

const positive: Range = [0.2, 3];
const inside: Range = [-0.9, 0.9];

const unary: [string, (x: T) => T, Range?][] = [
  ['abs', tf.abs],
  ['asin', tf.asin, inside],
  ['atan', tf.atan],
  ['ceil', tf.ceil],
  ['cos', tf.cos],
  ['exp', tf.exp],
  ['expm1', tf.expm1],
  ['floor', tf.floor],
  ['log', tf.log, positive],
  ['log1p', tf.log1p, positive],
  ['neg', tf.neg],
  ['reciprocal', tf.reciprocal, positive],
  ['relu', tf.relu],
  ['round', tf.round],
  ['rsqrt', tf.rsqrt, positive],
  ['sigmoid', tf.sigmoid],
  ['sign', tf.sign],
  ['sin', tf.sin],
  ['softplus', tf.softplus],
  ['sqrt', tf.sqrt, positive],
  ['square', tf.square],
  ['tanh', tf.tanh],
  ['clone', tf.clone],
  ['step', (x) => tf.step(x, 0.25)],
  ['clip', (x) => tf.clipByValue(x, -0.5, 1)],
  ['softmax', (x) => tf.softmax(x)],
  ['logSoftmax', (x) => tf.logSoftmax(x)],
  ['logSigmoid', (x) => tf.logSigmoid(x)],
];

const binary: [string, (a: T, b: T) => T, Range?][] = [
  ['add', tf.add],
  ['sub', tf.sub],
  ['mul', tf.mul],
  ['div', tf.div, positive],
  ['maximum', tf.maximum],
  ['minimum', tf.minimum],
  ['pow', tf.pow, positive],
  ['squaredDifference', tf.squaredDifference],
  ['atan2', tf.atan2, positive],
  ['mod', tf.mod, positive],
  ['floorDiv', tf.floorDiv, positive],
];

const reductions = { sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min, prod: tf.prod };

const cases: Case[] = [
  ...unary.map(([name, fn, range]): Case => [name, fn, [[3, 4]], range]),
  ...binary.flatMap(([name, fn, range]) => PAIRS.map((shapes): Case => [name, fn, shapes, range])),
  ...[tf.equal, tf.notEqual, tf.greater, tf.greaterEqual, tf.less, tf.lessEqual].flatMap((fn) =>
    PAIRS.map((shapes): Case => [fn.name, (a, b) => fn(tf.round(a), tf.round(b)), shapes, V]),
  ),
  [
    'logical',
    (a, b) => {
      const [p, q] = [tf.greater(a, 0), tf.greater(b, 0)];
      return [tf.logicalAnd(p, q), tf.logicalOr(p, q), tf.logicalXor(p, q), tf.logicalNot(p), tf.all(p, 1), tf.any(q)];
    },
    [
      [3, 4],
      [3, 4],
    ],
    V,
  ],
  [
    'isNaN isFinite isInf',
    (x) => [tf.isNaN(tf.log(x)), tf.isFinite(tf.div(x, tf.relu(x))), tf.isInf(tf.div(1, tf.relu(x)))],
    [[3, 5]],
    V,
  ],
  [
    'where',
    (c, a, b) => tf.where(tf.greater(c, 0), a, b),
    [
      [3, 2],
      [3, 2],
      [3, 2],
    ],
  ],
  ['where, broadcast', (c, a, b) => tf.where(tf.greater(c, 0), a, b), [[3, 1], [3, 2], [2]]],
  [
    'where, scalar',
    (c, a) => tf.where(tf.greater(c, 0), a, 0),
    [
      [3, 2],
      [3, 2],
    ],
  ],
  [
    'cast',
    (x) => [
      tf.cast(x, 'int32'),
      tf.cast(x, 'bool'),
      tf.cast(tf.cast(x, 'int32'), 'float32'),
      tf.cast(tf.ones([2]), 'int32'),
    ],
    [[3, 3]],
    V,
  ],
  ['cast, gradient', (x) => tf.mul(tf.cast(tf.greater(x, 0), 'float32'), x), [[3, 3]]],
  [
    'mixed types',
    (x) => [tf.add(x, i32([1, 2, 3])), tf.mul(i32([1, 2, 3]), i32([4, 5, 6])), tf.div(i32([7]), i32([2]))],
    [[3]],
    V,
  ],
  [
    'int32 arithmetic',
    (x) => {
      const n = tf.cast(tf.mul(x, 20), 'int32');
      return [
        tf.floorDiv(n, i32([3])),
        tf.mod(n, i32([7])),
        tf.maximum(n, i32([0])),
        tf.abs(n),
        tf.neg(n),
        tf.sum(n),
        tf.max(n),
        tf.equal(n, i32([2])),
      ];
    },
    [[6]],
    V,
  ],
  [
    'addN',
    (a, b, c) => tf.addN([a, b, c]),
    [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
  ],
  // reductions
  ...(['sum', 'mean', 'max', 'min', 'prod'] as const).flatMap((name) =>
    [
      [undefined, false],
      [0, false],
      [[1], true],
      [[0, 2], false],
      [-1, true],
      [[0, 1, 2], true],
    ].map(
      ([axis, keep]): Case => [
        `${name} ${axis} ${keep}`,
        (x) => reductions[name](x, axis as number[], keep as boolean),
        [[2, 3, 4]],
        name === 'prod' ? V : undefined,
      ],
    ),
  ),
  [
    'argMax argMin',
    (x) => [tf.argMax(x, 0), tf.argMax(x, -1), tf.argMin(x, 1), tf.argMax(tf.greater(x, 0), 1)],
    [[2, 5, 3]],
    V,
  ],
  ['cumsum', (x) => tf.concat([tf.cumsum(x, 1), tf.cumsum(x, 1, true), tf.cumsum(x, 1, false, true)], 0), [[2, 4]]],
  ['cumprod', (x) => tf.cumprod(x, 0), [[4, 2]], V],
  [
    'moments',
    (x) => {
      const { mean, variance } = tf.moments(x, [0, 1]);
      return tf.add(mean, variance);
    },
    [[3, 4, 2]],
  ],
  ['norm', (x) => tf.norm(x), [[3, 4]]],
  ['logSumExp', (x) => tf.logSumExp(x, 1), [[3, 4]]],
  [
    'unsortedSegmentSum',
    (x) => tf.unsortedSegmentSum(tf.reshape(x, [4, 3]), tf.tensor1d([2, 0, 2, 1], 'int32'), 5),
    [[4, 3]],
  ],
  // shapes
  [
    'reshape',
    (x) => [
      tf.reshape(x, [4, -1]),
      tf.reshape(x, x.shape),
      tf.expandDims(x, 1),
      tf.expandDims(x, -1),
      tf.squeeze(tf.reshape(x, [1, 24, 1])),
    ],
    [[2, 3, 4]],
    V,
  ],
  ['reshape, gradient', (x) => tf.square(tf.reshape(tf.expandDims(x, 0), [4, 6])), [[2, 3, 4]]],
  ...[
    [2, 0, 1],
    [0, 1, 2],
    [1, 0, 2],
  ].map((perm): Case => [`transpose ${perm}`, (x) => tf.square(tf.transpose(x, perm)), [[2, 3, 4]]]),
  ['tile', (x) => tf.square(tf.tile(x, [2, 3])), [[2, 3]]],
  ['broadcastTo', (x) => tf.square(tf.broadcastTo(x, [2, 3, 4])), [[3, 1]]],
  ['slice', (x) => tf.concat([tf.slice(x, [0, 1], [2, 2]), tf.slice(x, [1, 0], [-1, 2])], 0), [[3, 4]]],
  ['slice, whole', (x) => tf.square(tf.slice(x, [0, 0])), [[3, 4]]],
  [
    'split',
    (x) => {
      const [a, b, c] = tf.split(x, 3, 1);
      return tf.concat([tf.mul(a, b), tf.square(c)], 0);
    },
    [[2, 6]],
  ],
  [
    'split, sizes',
    (x) => {
      const [a, b] = tf.split(x, [1, 3], 0);
      return tf.mul(a, b);
    },
    [[4, 3]],
  ],
  ['split, some unused', (x) => tf.square(tf.split(x, 3, -1)[1]), [[2, 6]]],
  [
    'concat',
    (a, b, c) => tf.square(tf.concat([a, b, c], 1)),
    [
      [2, 1],
      [2, 3],
      [2, 0],
    ],
  ],
  ['concat, one', (a) => tf.square(tf.concat([a], 0)), [[2, 3]]],
  [
    'stack unstack',
    (a, b) => {
      const s = tf.stack([a, b], 1);
      return tf.concat(tf.unstack(tf.square(s), 2), 1);
    },
    [
      [2, 3],
      [2, 3],
    ],
  ],
  [
    'pad',
    (x) =>
      tf.square(
        tf.pad(
          x,
          [
            [1, 0],
            [2, 1],
          ],
          3,
        ),
      ),
    [[2, 3]],
  ],
  ['reverse', (x) => tf.add(tf.mul(tf.reverse(x, 0), x), tf.reverse(x)), [[2, 3]]],
  // picking and placing
  ['gather', (x) => tf.square(tf.gather(x, i32([2, 0, 2, 1]), 0)), [[3, 4]]],
  ['gather, axis 1', (x) => tf.square(tf.gather(x, i32([1, 1, 0, 3], [2, 2]), 1)), [[2, 4]]],
  ['gather, batches', (x) => tf.gather(x, i32([1, 0, 2, 2], [2, 2]), 1, 1), [[2, 3, 2]], V],
  [
    'oneHot',
    (x) => [tf.oneHot(tf.cast(tf.abs(tf.mul(x, 2)), 'int32'), 5), tf.oneHot(i32([0, 7, -1]), 3, 2, -2, 'float32')],
    [[2, 3]],
    V,
  ],
  [
    'topk',
    (x) => {
      const { values, indices } = tf.topk(x, 3);
      return [values, indices, tf.topk(x, 1, false).values];
    },
    [[2, 3, 7]],
    V,
  ],
  // from nothing
  [
    'constants',
    (x) => [
      tf.zeros([2, 3]),
      tf.ones([3], 'int32'),
      tf.fill([2, 2], -0.5),
      tf.zerosLike(x),
      tf.onesLike(x),
      tf.fill([3000], 2),
      tf.scalar(true),
      tf.eye(3),
    ],
    [[4]],
    V,
  ],
  [
    'ranges',
    () => [
      tf.range(0, 5),
      tf.range(5, 0, -2),
      tf.range(0, 7, 3, 'int32'),
      tf.range(3, 0),
      tf.linspace(-1, 2, 5),
      tf.linspace(3, 9, 1),
    ],
    [],
    V,
  ],
  // matrices
  ...[
    [false, false, [2, 3], [3, 4]],
    [true, false, [3, 2], [3, 4]],
    [false, true, [2, 3], [4, 3]],
    [true, true, [3, 2], [4, 3]],
  ].map(
    ([ta, tb, a, b]): Case => [
      `matMul ${ta} ${tb}`,
      (x, y) => tf.matMul(x, y, ta as boolean, tb as boolean),
      [a as number[], b as number[]],
    ],
  ),
  [
    'matMul, batches',
    (a, b) => tf.matMul(a, b),
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
  ],
  [
    'matMul, broadcast',
    (a, b) => tf.matMul(a, b),
    [
      [2, 3, 4],
      [1, 4, 5],
    ],
    V,
  ],
  ['dot', (a, b) => tf.dot(a, b), [[4], [4]]],
  ...[
    [false, false],
    [true, false],
    [false, true],
  ].map(
    ([corners, centres]): Case => [
      `resizeBilinear ${corners} ${centres}`,
      (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [6, 9], corners, centres),
      [[1, 4, 5, 2]],
      V,
    ],
  ),
];

function inputsOf(shapes: number[][], [low, high]: Range, seed: number): T[] {
  return shapes.map((shape, i) => {
    const random = rng(seed, i);
    return tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform(low, high)),
      shape,
    );
  });
}

describe.each(['int32', 'int64'] as const)('every kernel, traced against eager, integers as %s', (integers) => {
  cases.forEach(([name, fn, shapes, range, how], i) => {
    it(`${name} ${shapes.map((s) => `[${s}]`).join(' ')}`, () => {
      tf.tidy(() => {
        const xs = inputsOf(shapes, Array.isArray(range) ? range : [-2, 2], i);
        const program = (inputs: T[]) => {
          if (range === V || how === V) return { values: [fn(...inputs)].flat(), gradients: [] as T[] };
          let y: T | undefined;
          const loss = () => {
            y = fn(...inputs) as T;
            const weights = tf.tensor(
              Float32Array.from({ length: y.size }, (_, k) => 0.3 + Math.cos(k)),
              y.shape,
            );
            return { loss: tf.sum(tf.mul(y, weights)), rest: [y] };
          };
          const { rest, gradients } = differentiate(loss, inputs);
          return { values: rest, gradients };
        };
        const compiled = compile(program, { integers });
        const got = compiled(xs);
        const want = program(xs);
        for (const part of ['values', 'gradients'] as const) {
          want[part].forEach((w, j) => {
            const g = got[part][j];
            if (g.dtype !== w.dtype) throw new Error(`${part} ${j} has type ${g.dtype}, eagerly ${w.dtype}`);
            expectClose(
              { shape: g.shape, data: noNaN(g.dataSync()) },
              { shape: w.shape, data: noNaN(w.dataSync()) },
              { rtol: 2e-6, atol: 1e-6, label: `${part} ${j}` },
            );
          });
        }
        compiled.dispose();
      });
    });
  });
});

/** NaN and infinities as numbers, so that they can be compared. */
function noNaN(data: ArrayLike<number>): number[] {
  return Array.from(data, (v) => (Number.isNaN(v) ? 1e9 : v === Infinity ? 2e9 : v === -Infinity ? -2e9 : v));
}
