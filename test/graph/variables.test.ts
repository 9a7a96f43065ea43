import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GraphNode } from '../../src/graph/graph.js';
import type { HostTensor } from '../../src/graph/host-tensor.js';
import { Session } from '../../src/graph/session.js';
import { trace } from '../../src/graph/trace.js';
import { type Assignment, assignments, bindVariables, type Variable, Variables } from '../../src/graph/variables.js';
import { constant, floats, longWork, matrix, op, placeholder } from '../helpers/graph-nodes.js';
import { sessions } from '../helpers/native.js';

beforeAll(sessions);

const a: Variable = { name: 'state/a', shape: [2] };
const b: Variable = { name: 'state/b', shape: [2] };
const START: Record<string, number[]> = { 'state/a': [1, 2], 'state/b': [3, 4] };

/** A session with a = [1, 2] and b = [3, 4]. */
function withState(options = {}) {
  const session = Session.open(options);
  const variables = new Variables(session, [a, b]);
  variables.set(({ name }) => Float32Array.from(START[name]));
  return { session, variables, values: () => [...variables.read().values()].map((value) => [...value]) };
}

/** Reads a and b as 'a' and 'b', is fed x [2] and a condition. */
const inputs = [
  placeholder('a', [2]),
  placeholder('b', [2]),
  placeholder('x', [2]),
  placeholder('condition', [], 'bool'),
];
const bindings = new Map([
  ['a', a],
  ['b', b],
]);
const feeds = (x: [number, number], condition = true): HostTensor[] => [
  floats([2], ...x),
  { dtype: 'bool', shape: [], data: Uint8Array.of(Number(condition)) },
];

/** Adds a graph that computes `nodes` and then assigns. */
function plan(session: Session, nodes: GraphNode[], updates: Assignment[], options = {}, fetches: string[] = []) {
  session.add([...bindVariables([...inputs, ...nodes], bindings), ...assignments('update', updates, options)]);
  return session.plan({ feeds: ['x', 'condition'], fetches, targets: ['update'] });
}

describe('variables', () => {
  it('are set and read, all or some', () => {
    const { session, variables, values } = withState();
    expect(values()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(variables.read(['state/b'])).toEqual(new Map([['state/b', Float32Array.of(3, 4)]]));
    session.close();
  });

  it('keep their values when one of the new ones has another size', () => {
    const { session, variables, values } = withState();
    expect(() => variables.set(({ name }) => new Float32Array(name === 'state/b' ? 3 : 2))).toThrow(
      "'variables/value/state/b' of variables: [2] has 2 values, got 3",
    );
    expect(values()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    session.close();
  });

  it('that were never set say so', () => {
    const session = Session.open();
    const variables = new Variables(session, [a]);
    expect(() => variables.read()).toThrow(/state\/a/);
    session.close();
  });

  it('belong to their session', () => {
    const [one, other] = [withState(), withState()];
    one.variables.set(() => Float32Array.of(7, 8));
    expect(other.values()[0]).toEqual([1, 2]);
    one.session.close();
    other.session.close();
  });
});

describe.each([true, false])('assignments, rewriter: %s', (rewriter) => {
  it('see the values from before the run, whatever is assigned in it', () => {
    const { session, values } = withState({ rewriter });
    // a and b change places, and what is fetched is the sum of what was there before
    const swap = plan(
      session,
      [op('sum', 'AddV2', ['a', 'b'])],
      [
        { variable: a, value: 'b' },
        { variable: b, value: 'a' },
      ],
      { after: ['sum'] },
      ['sum'],
    );
    for (let i = 0; i < 3; i++) expect(swap.run(feeds([0, 0]))).toEqual([floats([2], 4, 6)]);
    expect(values()).toEqual([
      [3, 4],
      [1, 2],
    ]);
    session.close();
  });

  it('of zeros happen after what they are to wait for', () => {
    const { session, values } = withState({ rewriter });
    // the variable is read after work that takes a while
    const slow = longWork(20).map((node) => ({ ...node, name: node.name.replace('x', 'work') }));
    for (const node of slow) node.inputs = node.inputs.map((name) => name.replace('x', 'work'));
    const graph = bindVariables([...inputs, ...slow, op('sum', 'AddV2', ['a', 'x'])], bindings);
    const reading = graph.map((node) => (node.name === 'a' ? { ...node, inputs: [...node.inputs, '^y'] } : node));
    session.add([...reading, ...assignments('update', [{ variable: a }], { after: ['sum'] })]);
    const clear = session.plan({ feeds: ['work', 'x'], fetches: ['sum'], targets: ['update'] });
    expect(clear.run([matrix(100), floats([2], 10, 20)])).toEqual([floats([2], 11, 22)]);
    expect(values()).toEqual([
      [0, 0],
      [3, 4],
    ]);
    session.close();
  });

  it.each([true, false])('under a condition that is %s', (condition) => {
    const { session, values } = withState({ rewriter });
    const update = plan(
      session,
      [op('doubled', 'AddV2', ['x', 'x'])],
      [{ variable: a, value: 'doubled' }, { variable: b }],
      { condition: 'condition' },
      ['doubled'],
    );
    expect(update.run(feeds([7, 8], condition))).toEqual([floats([2], 14, 16)]);
    const after = [
      [14, 16],
      [0, 0],
    ];
    expect(values()).toEqual(condition ? after : Object.values(START));
    session.close();
  });

  it.each(['a value', 'the condition', 'what is fetched'])('do not happen when %s fails to be computed', (what) => {
    const { session, values } = withState({ rewriter });
    const nodes = [
      op('checked', 'CheckNumerics', ['x'], 'float32', { message: 'x' }),
      op('finite', 'IsFinite', ['checked']),
      constant('axes', Int32Array.of(0)),
      { name: 'all', op: 'All', inputs: ['finite', 'axes'], attrs: { Tidx: { type: 'int32' as const } } },
    ];
    const failing = plan(
      session,
      nodes,
      [
        { variable: a, value: 'x' },
        { variable: b, value: what === 'a value' ? 'checked' : 'x' },
      ],
      what === 'the condition' ? { condition: 'all' } : what === 'what is fetched' ? { after: ['checked'] } : {},
      what === 'what is fetched' ? ['checked'] : [],
    );
    for (let i = 0; i < 20; i++) expect(() => failing.run(feeds([5, Number.NaN]))).toThrow(/NaN/);
    expect(values()).toEqual(Object.values(START));
    failing.run(feeds([5, 6]));
    expect(values()).toEqual([
      [5, 6],
      [5, 6],
    ]);
    session.close();
  });
});

/** Gradient descent with momentum on ½ |w − x|²; a gradient that is not finite changes nothing. */
it('a traced function becomes a step with state, which gives what the same arithmetic gives here', async () => {
  const [weights, velocity]: Variable[] = [
    { name: 'weights', shape: [3] },
    { name: 'velocity', shape: [3] },
  ];
  const spec = { shape: [3], dtype: 'float32' as const };
  const traced = trace(
    ({ w, v, x }: Record<string, tf.Tensor>) => {
      const gradient = tf.sub(w, x);
      const next = tf.add(tf.mul(v, 0.5), gradient);
      return { finite: tf.all(tf.isFinite(gradient)), v: next, w: tf.sub(w, tf.mul(next, 0.25)) };
    },
    { w: spec, v: spec, x: spec },
  );
  const input = new Map(traced.inputs.map(({ name, node }) => [name, node]));
  const output = new Map(traced.outputs.map(({ name, node }) => [name, node]));
  const finite = output.get('finite')!;
  const session = Session.open();
  const variables = new Variables(session, [weights, velocity]);
  const bound = new Map([
    [input.get('w')!, weights],
    [input.get('v')!, velocity],
  ]);
  const updates = [
    { variable: weights, value: output.get('w') },
    { variable: velocity, value: output.get('v') },
  ];
  const nodes = [...bindVariables(traced.nodes, bound), ...assignments('update', updates, { condition: finite })];
  session.add(nodes, { prefix: 'step' });
  const step = session.plan({
    feeds: [`step/${input.get('x')}`],
    fetches: [`step/${finite}`],
    targets: ['step/update'],
  });
  const [w, v] = [Float32Array.of(1, 2, 3), new Float32Array(3)];
  variables.set(({ name }) => (name === 'weights' ? w : v));
  for (let i = 0; i < 10; i++) {
    const x = i === 4 ? [Number.POSITIVE_INFINITY, 0, 0] : [i, -i, 0.5];
    const [ok] = await step.runAsync([floats([3], ...x)]);
    expect(ok.data[0]).toBe(i === 4 ? 0 : 1);
    for (let k = 0; k < 3 && i !== 4; k++) {
      v[k] = Math.fround(v[k] * 0.5) + Math.fround(w[k] - x[k]);
      w[k] = w[k] - Math.fround(v[k] * 0.25);
    }
    expect([...variables.read().values()]).toEqual([w, v]);
  }
  session.close();
});

describe('what does not fit is refused', () => {
  it.each<[string, Map<string, Variable>, string]>([
    ['no such node', new Map([['z', a]]), 'the graph has no placeholder z'],
    [
      'another shape',
      new Map([['a', { name: 'v', shape: [3] }]]),
      "variable 'v', float32 [3], can't stand for a: Placeholder, float32 [2]",
    ],
    [
      'another type',
      new Map([['condition', { name: 'v', shape: [] }]]),
      "variable 'v', float32 [], can't stand for condition: Placeholder, bool []",
    ],
  ])('reading: %s', (_, variables, message) => {
    expect(() => bindVariables(inputs, variables)).toThrow(new Error(message));
  });

  it('assigning a variable twice', () => {
    expect(() => assignments('update', [{ variable: a, value: 'x' }, { variable: b }, { variable: a }])).toThrow(
      "'state/a' is assigned twice",
    );
  });
});
