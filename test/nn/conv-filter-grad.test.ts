import { beforeAll, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import type { Attrs, GraphNode } from '../../src/graph/graph.js';
import { type HostTensor, valuesOf } from '../../src/graph/host-tensor.js';
import { type Plan, Session } from '../../src/graph/session.js';
import { loadTensorflow } from '../../src/graph/tensorflow.js';
import { outputSize } from '../../src/nn/op-attrs.js';
import { sessions } from '../helpers/native.js';

let tiles = false;
beforeAll(() => {
  sessions();
  tiles = loadTensorflow().tiles;
});

type Type = 'bfloat16' | 'float32';

interface Case {
  /** [B, H, W, C] */
  x: [number, number, number, number];
  kernel: [number, number];
  stride: number;
  /** Number of filters. */
  filters: number;
}

function tensor(shape: number[], seed: number): HostTensor<'float32'> {
  const random = rng(seed);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.uniform(-1, 1));
  return { dtype: 'float32', shape, data };
}

function outputOf({ x: [b, h, w], kernel: [kh, kw], stride, filters }: Case): number[] {
  return [b, outputSize(h, kh, stride, kh >> 1), outputSize(w, kw, stride, kw >> 1), filters];
}

/**
 * The op, and TensorFlow's Conv2DBackpropFilter in float32 of the same rounded values, with x padded as PyTorch does.
 * Fetches: [got, want].
 */
function planOf(session: Session, name: string, { x, kernel, stride, filters }: Case, type: Type): Plan {
  const float = { type: 'float32' } as const;
  const T = { type } as const;
  const int = { type: 'int32' } as const;
  const node = (id: string, op: string, inputs: string[], attrs: Attrs): GraphNode => ({ name: id, op, inputs, attrs });
  const constant = (id: string, values: number[], shape: number[]) =>
    node(id, 'Const', [], {
      dtype: int,
      value: { tensor: { dtype: 'int32', shape, values: Int32Array.from(values) } },
    });
  const [h, w] = [0, 1].map((i) => {
    const before = kernel[i] >> 1;
    const reached = (outputSize(x[i + 1], kernel[i], stride, before) - 1) * stride + kernel[i];
    return [before, Math.max(0, reached - x[i + 1] - before)];
  });
  const strides = { strides: [1, stride, stride, 1], padding: 'VALID', data_format: 'NHWC', dilations: [1, 1, 1, 1] };
  const nodes = [
    ...(['x', 'dy'] as const).flatMap((id) => [
      node(id, 'Placeholder', [], {
        dtype: float,
        shape: { shape: id === 'x' ? x : outputOf({ x, kernel, stride, filters }) },
      } as unknown as Attrs),
      node(`${id}/typed`, 'Cast', [id], { SrcT: float, DstT: T }),
      node(`${id}/rounded`, 'Cast', [`${id}/typed`], { SrcT: T, DstT: float }),
    ]),
    node('got', 'ConvFilterGrad', ['x/typed', 'dy/typed'], { T, kernel, strides: [stride, stride] }),
    constant('paddings', [0, 0, ...h, ...w, 0, 0], [4, 2]),
    node('padded', 'Pad', ['x/rounded', 'paddings'], { T: float, Tpaddings: int }),
    constant('sizes', [...kernel, x[3], filters], [4]),
    node('want', 'Conv2DBackpropFilter', ['padded', 'sizes', 'dy/rounded'], { T: float, ...strides }),
  ];
  session.add(nodes, { prefix: name });
  return session.plan({ feeds: [`${name}/x`, `${name}/dy`], fetches: [`${name}/got`, `${name}/want`] });
}

const CASES: Case[] = [
  { x: [2, 6, 5, 16], kernel: [3, 3], stride: 1, filters: 16 },
  { x: [1, 1, 1, 3], kernel: [3, 3], stride: 1, filters: 5 },
  { x: [2, 8, 8, 3], kernel: [3, 3], stride: 2, filters: 16 }, // the first convolution
  { x: [2, 9, 7, 3], kernel: [3, 3], stride: 2, filters: 17 },
  { x: [2, 5, 6, 5], kernel: [3, 3], stride: 1, filters: 8 },
  { x: [2, 5, 2, 3], kernel: [5, 5], stride: 1, filters: 8 },
  { x: [3, 7, 9, 20], kernel: [3, 3], stride: 2, filters: 33 },
  { x: [3, 8, 9, 20], kernel: [3, 3], stride: 2, filters: 33 },
  { x: [2, 5, 7, 48], kernel: [1, 1], stride: 1, filters: 80 },
  { x: [2, 5, 7, 17], kernel: [1, 1], stride: 2, filters: 1 },
  { x: [2, 9, 8, 33], kernel: [5, 5], stride: 2, filters: 40 },
  { x: [1, 6, 9, 10], kernel: [5, 3], stride: 1, filters: 18 },
  { x: [8, 10, 10, 128], kernel: [3, 3], stride: 1, filters: 256 }, // several slices of filters
  { x: [2, 80, 80, 32], kernel: [3, 3], stride: 1, filters: 48 }, // several groups of positions
];

const TYPES: Type[] = ['bfloat16', 'float32'];

for (const [each, type] of CASES.flatMap((each) => TYPES.map((type) => [each, type] as const))) {
  const { x, kernel, stride, filters } = each;
  it(`${type}, [${x}], kernel ${kernel}, stride ${stride}, ${filters} filters: as TensorFlow's, and the same bits again`, ({
    skip,
  }) => {
    if (type === 'bfloat16' && !tiles) skip('the processor has no AMX tiles');
    const session = Session.open();
    const plan = planOf(session, 'case', each, type);
    const feeds = [tensor(x, 1), tensor(outputOf(each), 2)];
    const [got, want] = plan.run(feeds);
    expect(got.shape).toEqual([...kernel, x[3], filters]);
    const [a, b] = [valuesOf(got, 'float32'), valuesOf(want, 'float32')];
    const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest(a.map((value, i) => value - b[i]))).toBeLessThan(3e-6 * largest(b));
    expect(valuesOf(plan.run(feeds)[0], 'float32')).toEqual(a);
    session.close();
  });
}
