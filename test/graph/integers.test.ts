import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import type { Graph } from '../../src/graph/graph.js';
import { trace } from '../../src/graph/trace.js';
import { assign } from '../../src/loss/tal.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

/**
 * Attributes that give the element type of arguments which TensorFlow reads on the host everywhere: shapes, axes, counts; and
 * of TopKV2's indices, which a GPU keeps to itself.
 */
const ARGUMENTS = [
  'index_type',
  'Tshape',
  'Tperm',
  'Tidx',
  'Index',
  'Tmultiples',
  'Taxis',
  'Tk',
  'Tlen',
  'Tnumsegments',
  'Tpaddings',
];

/** Ops of a graph that compute with int32, constants and the casts at its edge aside. */
function int32Ops(graph: Graph): string[] {
  return graph.nodes
    .filter(({ op }) => !['Const', 'Placeholder', 'Cast', 'Identity'].includes(op))
    .filter(({ attrs }) =>
      Object.entries(attrs).some(([key, value]) => !ARGUMENTS.includes(key) && Object(value).type === 'int32'),
    )
    .map(({ op, attrs }) => `${op} ${JSON.stringify(attrs)}`);
}

const [B, M, A, K] = [3, 4, 84, 5];

/** Label assignment over made-up boxes: the part of training that computes with indices. */
const assigned = ({ boxes, scores, labels, classes }: Record<string, tf.Tensor>) =>
  assign(
    {
      boxesPx: boxes,
      scores,
      points: tf.tensor2d(
        Float32Array.from({ length: 2 * A }, (_, i) => (i * 7) % 64),
        [A, 2],
      ),
    },
    { boxesPx: labels, classes, mask: tf.ones([B, M]) },
  );

function inputs(): Record<string, tf.Tensor> {
  const random = rng(1, 2);
  const boxes = (n: number) => {
    const rows = Array.from({ length: B * n }, () => {
      const [x, y] = [random.uniform(0, 48), random.uniform(0, 48)];
      return [x, y, x + random.uniform(4, 30), y + random.uniform(4, 30)];
    });
    return tf.tensor3d(rows.flat(), [B, n, 4]);
  };
  const scores = tf.tensor3d(
    Array.from({ length: B * A * K }, () => random.uniform(-3, 3)),
    [B, A, K],
  );
  const classes = tf.tensor2d(
    Array.from({ length: B * M }, (_, i) => i % K),
    [B, M],
    'int32',
  );
  return { boxes: boxes(A), scores, labels: boxes(M), classes };
}

describe('integers as int64', () => {
  it('leave no op that computes with int32 in label assignment', () => {
    const specs = {
      boxes: { shape: [B, A, 4], dtype: 'float32' as const },
      scores: { shape: [B, A, K], dtype: 'float32' as const },
      labels: { shape: [B, M, 4], dtype: 'float32' as const },
      classes: { shape: [B, M], dtype: 'int32' as const },
    };
    expect(int32Ops(trace(assigned, specs)).length).toBeGreaterThan(5);
    const wide = trace(assigned, specs, { integers: 'int64' });
    expect(int32Ops(wide)).toEqual([]);
    const types = (ports: Graph['inputs']) => Object.fromEntries(ports.map(({ name, dtype }) => [name, dtype]));
    expect(types(wide.inputs)).toMatchObject({ classes: 'int32' });
    expect(types(wide.outputs)).toEqual({ anchors: 'int32', labels: 'int32', share: 'float32', score: 'float32' });
  });

  it('give the same assignment, to the bit', () => {
    tf.tidy(() => {
      const given = inputs();
      const [narrow, wide] = (['int32', 'int64'] as const).map((integers) => {
        const run = compile(assigned, { integers });
        const out = run(given);
        run.dispose();
        return Object.entries(out).map(([name, t]) => [
          name,
          t.dtype,
          t.shape,
          Array.from((t as tf.Tensor).dataSync()),
        ]);
      });
      expect(wide).toEqual(narrow);
      expect((narrow[2][3] as number[]).filter((share) => share > 0).length).toBeGreaterThan(10);
    });
  });

  it.each([
    ['several', [-2, 0, 5]],
    ['one for all', Array<number>(2000).fill(-3)],
  ])('constants keep their values: %s', (_, values) => {
    tf.tidy(() => {
      const run = compile((x: tf.Tensor) => tf.add(x, tf.tensor1d(values, 'int32')), { integers: 'int64' });
      expect(Array.from(run(tf.scalar(1, 'int32')).dataSync())).toEqual(values.map((v) => v + 1));
      run.dispose();
    });
  });
});
