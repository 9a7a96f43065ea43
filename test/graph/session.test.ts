import { beforeAll, describe, expect, it } from 'vitest';
import type { ElementType } from '../../src/graph/graph.js';
import { type HostTensor, valuesOf } from '../../src/graph/host-tensor.js';
import { Session, type SessionOptions } from '../../src/graph/session.js';
import { nativeSessions } from '../../src/graph/tensorflow.js';
import { Variables } from '../../src/graph/variables.js';
import { floats, longWork, matrix, op, placeholder, plain, type } from '../helpers/graph-nodes.js';
import { sessions } from '../helpers/native.js';
import { readRegistry } from '../helpers/registry.js';

beforeAll(sessions);

/** x² of two numbers, and a session with it. */
function square(options: SessionOptions = {}) {
  const session = Session.open(options);
  session.add([placeholder('x', [2]), op('y', 'Square', ['x'])]);
  return { session, plan: session.plan({ name: 'square', feeds: ['x'], fetches: ['y'] }) };
}

const three = floats([2], 3, 4);

describe('a session', () => {
  it('runs several graphs, added before and after runs', () => {
    const { session, plan } = square();
    expect(plan.run([three]).map(plain)).toEqual([['float32', [2], [9, 16]]]);
    session.add([placeholder('x', [2]), op('y', 'Neg', ['x']), op('z', 'Abs', ['y'])], { prefix: 'other' });
    const other = session.plan({ feeds: ['other/x'], fetches: ['other/y', 'other/z'] });
    expect(other.run([three]).map(plain)).toEqual([
      ['float32', [2], [-3, -4]],
      ['float32', [2], [3, 4]],
    ]);
    expect(plan.run([three]).map(plain)).toEqual([['float32', [2], [9, 16]]]);
    expect(session.graphs).toBe(2);
    session.close();
  });

  it('gives outputs other than the first by their number', () => {
    const session = Session.open();
    session.add([placeholder('x', [2, 2]), op('parts', 'Unpack', ['x'], 'float32', { num: 2, axis: 0 })]);
    const plan = session.plan({ feeds: ['x'], fetches: ['parts:1', 'parts'] });
    expect(plan.run([floats([2, 2], 1, 2, 3, 4)]).map((t) => [...valuesOf(t, 'float32')])).toEqual([
      [3, 4],
      [1, 2],
    ]);
    session.close();
  });

  const values: [ElementType, HostTensor['data']][] = [
    ['float32', Float32Array.of(1.5, Number.NaN, -0)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1, 0)],
    ['uint8', Uint8Array.of(0, 128, 255)],
    ['int64', BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n, 0n)],
    ['bool', Uint8Array.of(1, 0, 1)],
    ['bfloat16', Uint16Array.of(0x3fc0, 0xff80, 0x7f80)],
    ['float16', Uint16Array.of(0x3e00, 0xfc00, 1)],
  ];
  it.each(values)('takes and gives %s', (dtype, data) => {
    const session = Session.open();
    session.add([placeholder('x', [-1, 3], dtype), op('y', 'Identity', ['x'], dtype)]);
    const plan = session.plan({ feeds: ['x'], fetches: ['y'] });
    const [given] = plan.run([{ dtype, shape: [1, 3], data } as HostTensor]);
    expect(given).toEqual({ dtype, shape: [1, 3], data });
    const none = { dtype, shape: [0, 3], data: data.slice(0, 0) } as HostTensor;
    expect(plan.run([none])).toEqual([none]);
    session.close();
  });

  it('takes scalars, views into larger memory and shared memory', () => {
    const session = Session.open();
    session.add([placeholder('x', [-1]), op('y', 'Square', ['x'])]);
    session.add([placeholder('x', []), op('y', 'Square', ['x'])], { prefix: 'scalar' });
    const [root] = session.plan({ feeds: ['scalar/x'], fetches: ['scalar/y'] }).run([floats([], 5)]);
    expect(root).toEqual(floats([], 25));
    const plan = session.plan({ feeds: ['x'], fetches: ['y'] });
    const view = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    expect(plan.run([{ dtype: 'float32', shape: [2], data: view }])).toEqual([floats([2], 1, 4)]);
    const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2).fill(3);
    expect(plan.run([{ dtype: 'float32', shape: [2], data: shared }])).toEqual([floats([2], 9, 9)]);
    session.close();
  });

  it.each<[string, SessionOptions]>([
    ['threads', { intraThreads: 1, interThreads: 1 }],
    ['no rewriter', { rewriter: false }],
    ['no GPU', { gpu: false }],
    ['settings of GPUs', { gpu: { visible: '0', growth: false, memoryFraction: 0.5 } }],
    ['no soft placement', { softPlacement: false, logPlacement: false }],
  ])('computes the same with %s', (_, options) => {
    const { session, plan } = square(options);
    expect(plan.run([three])).toEqual([floats([2], 9, 16)]);
    session.close();
  });

  it('places nodes on the asked-for device, or softly on another', () => {
    const nodes = [placeholder('x', [2]), op('y', 'Square', ['x'])];
    const run = (options: SessionOptions) => {
      const session = Session.open({ gpu: false, ...options });
      try {
        session.add(nodes, { device: '/device:GPU:0' });
        return session.plan({ feeds: ['x'], fetches: ['y'] }).run([three]);
      } finally {
        session.close();
      }
    };
    expect(run({ softPlacement: true })).toEqual([floats([2], 9, 16)]);
    expect(() => run({ softPlacement: false })).toThrow(/device:GPU:0/);
  });

  it('elsewhere says when nobody can open it', () => {
    expect(() => Session.open({ target: 'nowhere://' })).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('lists its devices', () => {
    const session = Session.open({ gpu: false });
    const [device, ...others] = session.devices();
    expect(others).toEqual([]);
    expect(device).toMatchObject({ type: 'CPU', name: expect.stringContaining('device:CPU:0') });
    expect(device.memory).toBeGreaterThan(0);
    session.close();
  });

  it('takes a bounded number of graphs', () => {
    const session = Session.open({ maxGraphs: 2 });
    for (const prefix of ['a', 'b']) session.add([placeholder('x', [2])], { prefix });
    expect(() => session.add([placeholder('x', [2])], { prefix: 'c' })).toThrow('has 2 graphs, its limit');
    session.close();
  });
});

describe('what is fed is verified', () => {
  const { float32, int32 } = { float32: 'float32' as const, int32: 'int32' as const };
  it.each<[string, HostTensor[], string]>([
    ['too few', [], 'square: expected 1 values (x), got 0'],
    ['too many', [three, three], 'square: expected 1 values (x), got 2'],
    ['another size', [floats([3], 1, 2, 3)], "'x' of square: expected float32 [?, 2], got float32 [3]"],
    ['another rank', [floats([1, 2, 1], 1, 2)], "'x' of square: expected float32 [?, 2], got float32 [1, 2, 1]"],
    ['a wrong last size', [floats([1, 3], 1, 2, 3)], "'x' of square: expected float32 [?, 2], got float32 [1, 3]"],
    ['an unknown size', [floats([-1, 2], 1, 2)], "'x' of square: expected float32 [?, 2], got float32 [?, 2]"],
    [
      'another type',
      [{ dtype: int32, shape: [1, 2], data: Int32Array.of(1, 2) }],
      "'x' of square: expected float32 [?, 2], got int32 [1, 2]",
    ],
    [
      'an array of another type',
      [{ dtype: float32, shape: [1, 2], data: Int32Array.of(1, 2) as never }],
      "'x' of square: values of type float32 come in a Float32Array, got Int32Array",
    ],
    [
      'no array',
      [{ dtype: float32, shape: [1, 2], data: undefined as never }],
      "'x' of square: values of type float32 come in a Float32Array, got Object",
    ],
    ['too few values', [floats([2, 2], 1, 2)], "'x' of square: [2,2] has 4 values, got 2"],
  ])('%s', async (_, feeds, message) => {
    const session = Session.open();
    session.add([placeholder('x', [-1, 2]), op('y', 'Square', ['x'])]);
    const plan = session.plan({ name: 'square', feeds: ['x'], fetches: ['y'] });
    expect(() => plan.run(feeds)).toThrow(new Error(message));
    await expect(plan.runAsync(feeds)).rejects.toThrow(new Error(message));
    expect(plan.run([floats([1, 2], 3, 4)])).toEqual([floats([1, 2], 9, 16)]);
    session.close();
  });
});

describe('copies', () => {
  it('of what is fed are made before the call returns', async () => {
    const { session, plan } = square();
    const feed = floats([2], 3, 4);
    const results = [1, 2, 3].map(() => plan.runAsync([feed]));
    feed.data.fill(100);
    for (const result of await Promise.all(results)) expect(result).toEqual([floats([2], 9, 16)]);
    session.close();
  });

  it('keep variables apart from JavaScript, when they are set and when they are read', () => {
    const session = Session.open();
    const n = 4096; // large enough to be memory of its own
    const variables = new Variables(session, [{ name: 'v', shape: [n] }]);
    const value = new Float32Array(n).fill(1);
    variables.set(() => value);
    value.fill(2);
    const first = variables.read().get('v')!;
    expect(first[7]).toBe(1);
    first.fill(3);
    expect(variables.read().get('v')![7]).toBe(1);
    session.close();
  });
});

describe('errors', () => {
  it("are TensorFlow's own, with their kind, and the session goes on", async () => {
    const session = Session.open();
    const nodes = [placeholder('x', [-1]), placeholder('i', [], 'int32')];
    const attrs = { Tparams: type('float32'), Tindices: type('int32'), validate_indices: true };
    session.add([...nodes, { name: 'y', op: 'Gather', inputs: ['x', 'i'], attrs }]);
    const plan = session.plan({ feeds: ['x', 'i'], fetches: ['y'] });
    const feeds = (i: number): HostTensor[] => [three, { dtype: 'int32', shape: [], data: Int32Array.of(i) }];
    const error = expect.objectContaining({
      name: 'Error',
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/indices = 2 is not in \[0, 2\)/),
    });
    expect(() => plan.run(feeds(2))).toThrow(error);
    await expect(plan.runAsync(feeds(2))).rejects.toThrow(error);
    expect(plan.run(feeds(1))).toEqual([floats([], 4)]);
    session.close();
  });

  it('of a graph that is not one', () => {
    const { session, plan } = square();
    expect(() => session.add([placeholder('x', [2])])).toThrow(/'x' already exists/);
    expect(() => session.add([{ name: 'q', op: 'NoSuchOp', inputs: [], attrs: {} }])).toThrow(/NoSuchOp/);
    expect(() => session.add([op('z', 'Square', ['x'])])).toThrow(/'z'.*'x'/); // another graph's node
    expect(() => session.add(Uint8Array.of(255, 255))).toThrow(/GraphDef/);
    expect(plan.run([three])).toEqual([floats([2], 9, 16)]);
    session.close();
  });

  it.each([
    [{ fetches: ['none'] }, "the graph has no node 'none'"],
    [{ fetches: ['y:1'] }, "the graph has no output 'y:1'"],
    [{ fetches: ['y:one'] }, "the graph has no output 'y:one'"],
    [{ fetches: ['y:'] }, "the graph has no output 'y:'"],
    [{ fetches: [''] }, "the graph has no node ''"],
    [{ targets: ['y:0'] }, "the graph has no node 'y:0'"],
  ])('of a plan: %o', (options, message) => {
    const { session } = square();
    expect(() => session.plan(options)).toThrow(new Error(message));
    session.close();
  });

  it('after the session was closed', async () => {
    const { session, plan } = square();
    session.close();
    session.close();
    expect(session.closed).toBe(true);
    const closed = 'the session was closed';
    expect(() => plan.run([three])).toThrow(closed);
    await expect(plan.runAsync([three])).rejects.toThrow(closed);
    expect(() => session.plan({ fetches: ['y'] })).toThrow(closed);
    expect(() => session.add([])).toThrow(closed);
    expect(() => session.devices()).toThrow(closed);
  });
});

describe('asynchronous runs', () => {
  const SIZE = 300;

  /** Takes a while, and then counts the runs that were executed. */
  function counting(options: SessionOptions = {}) {
    const session = Session.open(options);
    const variables = new Variables(session, [{ name: 'count', shape: [] }]);
    variables.set(() => Float32Array.of(0));
    const dtype = type('float32');
    session.add([
      ...longWork(),
      { name: 'handle', op: 'VarHandleOp', inputs: [], attrs: { dtype, shape: { shape: [] }, shared_name: 'count' } },
      placeholder('one', []),
      { name: 'add', op: 'AssignAddVariableOp', inputs: ['handle', 'one', '^y'], attrs: { dtype } },
    ]);
    const plan = session.plan({ feeds: ['x', 'one'], fetches: ['y'], targets: ['add'] });
    return { session, plan, feeds: [matrix(SIZE), floats([], 1)], count: () => variables.read().get('count')![0] };
  }

  it('leave the event loop free', async () => {
    const { session, plan, feeds } = counting();
    let turns = 0;
    let ended = false;
    const turn = () => {
      turns++;
      if (!ended) setImmediate(turn);
    };
    const run = plan.runAsync(feeds).finally(() => {
      ended = true;
    });
    setImmediate(turn);
    await run;
    expect(turns).toBeGreaterThan(20);
    session.close();
  });

  it('give what blocking ones give, in their order', async () => {
    const { session, plan } = square();
    const order: number[] = [];
    const runs = [1, 2, 3, 4, 5].map(async (n) => {
      const [{ data }] = await plan.runAsync([floats([2], n, -n)]);
      order.push(n);
      return [...valuesOf({ dtype: 'float32', shape: [2], data }, 'float32')];
    });
    expect(await Promise.all(runs)).toEqual([1, 2, 3, 4, 5].map((n) => [n * n, n * n]));
    expect(order).toEqual([1, 2, 3, 4, 5]);
    session.close();
  });

  it('wait in a queue that is bounded', async () => {
    const { session, plan, feeds, count } = counting({ maxWaiting: 2 });
    const runs = [1, 2, 3].map(() => plan.runAsync(feeds));
    await expect(plan.runAsync(feeds)).rejects.toMatchObject({ name: 'UserError', code: 'queue-full' });
    await Promise.all(runs);
    expect(count()).toBe(3);
    await plan.runAsync(feeds); // there is room again
    expect(count()).toBe(4);
    session.close();
  });

  it('that wait are taken away by an AbortSignal, and never executed', async () => {
    const { session, plan, feeds, count } = counting({ maxWaiting: 2 });
    const [first, second] = [new AbortController(), new AbortController()];
    const runs = [
      plan.runAsync(feeds),
      plan.runAsync(feeds, { signal: first.signal }),
      plan.runAsync(feeds, { signal: second.signal }),
    ];
    first.abort(new Error('no longer wanted'));
    await expect(runs[1]).rejects.toThrow('no longer wanted');
    await runs[0];
    await runs[2];
    second.abort(); // too late: nothing happens
    expect(count()).toBe(2);
    await expect(plan.runAsync(feeds, { signal: first.signal })).rejects.toThrow('no longer wanted');
    expect(count()).toBe(2);
    session.close();
  });

  it('under way are no longer waited for after an abort, and end', async () => {
    const { session, plan, feeds, count } = counting();
    const controller = new AbortController();
    const run = plan.runAsync(feeds, { signal: controller.signal });
    controller.abort();
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    await plan.runAsync(feeds); // the next one waits for it
    expect(count()).toBe(2);
    session.close();
  });

  it('are refused when the session is closed, but for the one under way', async () => {
    const { session, plan, feeds } = counting();
    const runs = [1, 2, 3].map(() => plan.runAsync(feeds));
    session.close();
    const results = await Promise.allSettled(runs);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(results[1]).toMatchObject({ reason: new Error('the session was closed') });
  });

  it('go on when another one fails', async () => {
    const session = Session.open();
    session.add([placeholder('x', [-1]), op('y', 'CheckNumerics', ['x'], 'float32', { message: 'not a number' })]);
    const plan = session.plan({ feeds: ['x'], fetches: ['y'] });
    const results = await Promise.allSettled([1, Number.NaN, 2].map((x) => plan.runAsync([floats([1], x)])));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    session.close();
  });

  it('are executed at the same time, as many as asked for', async () => {
    // Taking from the queue waits for another run that puts something into it.
    const session = Session.open({ atOnce: 2, maxWaiting: 1 });
    const types = { component_types: { types: ['float32' as const] } };
    session.add([
      placeholder('x', []),
      { name: 'q', op: 'FIFOQueueV2', inputs: [], attrs: { ...types, capacity: 3 } },
      {
        name: 'put',
        op: 'QueueEnqueueV2',
        inputs: ['q', 'x'],
        attrs: { Tcomponents: types.component_types, timeout_ms: -1 },
      },
      { name: 'take', op: 'QueueDequeueV2', inputs: ['q'], attrs: { ...types, timeout_ms: -1 } },
    ]);
    const put = session.plan({ feeds: ['x'], targets: ['put'] });
    const take = session.plan({ fetches: ['take'] });
    const taken = [take.runAsync(), put.runAsync([floats([], 7)])];
    expect(valuesOf((await taken[0])[0], 'float32')[0]).toBe(7);
    await taken[1];
    const waiting = [take.runAsync(), take.runAsync(), take.runAsync()];
    await expect(put.runAsync([floats([], 1)])).rejects.toMatchObject({ code: 'queue-full' });
    for (const x of [1, 2, 3]) put.run([floats([], x)]); // of another thread, so not in the queue
    const values = (await Promise.all(waiting)).map(([tensor]) => valuesOf(tensor, 'float32')[0]);
    expect(values.sort()).toEqual([1, 2, 3]);
    session.close();
  });

  it('of several sessions, with a blocking one between and a graph added meanwhile', async () => {
    const [a, b] = [counting(), counting()];
    const runs = [a, b, a, b].map(({ plan, feeds }) => plan.runAsync(feeds));
    a.session.add([placeholder('x', [2]), op('y', 'Neg', ['x'])], { prefix: 'more' });
    expect(a.session.plan({ feeds: ['more/x'], fetches: ['more/y'] }).run([three])).toEqual([floats([2], -3, -4)]);
    const results = await Promise.all(runs);
    for (const result of results) expect(result).toEqual(results[0]);
    expect([a.count(), b.count()]).toEqual([2, 2]);
    a.session.close();
    b.session.close();
  });
});

describe('the registry of the loaded TensorFlow', () => {
  const native = () => nativeSessions();

  it('tells the kernels of an op, and of all', () => {
    const registry = (kernels: ArrayBuffer) =>
      readRegistry(new Uint8Array(kernels), new Uint8Array(native().ops()), new Set(['Conv2D', 'Shape']));
    const one = registry(native().kernels('Conv2D'));
    expect(Object.keys(one.kernels)).toEqual(['Conv2D']);
    expect(one.kernels.Conv2D.some(({ device, types }) => device === 'CPU' && types.T?.includes('float32'))).toBe(true);
    expect(one.ops.Conv2D.inputs.map(({ name }) => name)).toEqual(['input', 'filter']);
    const all = registry(native().kernels(''));
    expect(all.kernels.Conv2D).toEqual(one.kernels.Conv2D);
    expect(all.kernels.Shape.some(({ device, host }) => device === 'DEFAULT' && host.includes('output'))).toBe(true);
  });

  it('has none of an op that there is not', () => {
    expect(native().kernels('NoSuchOp').byteLength).toBe(0);
  });
});
