/** What sessions do to the process that they are in: each test runs one of its own, without tfjs-node. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tensorflowFiles } from '../../src/graph/tensorflow.js';
import { longWork, op, placeholder } from '../helpers/graph-nodes.js';
import '../helpers/native.js';

const dist = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);

/** `open(nodes)` gives a session and a plan of x → y. */
const PRELUDE = `
  const { Session } = await import(${dist('graph/session.js')});
  const { Variables } = await import(${dist('graph/variables.js')});
  const work = ${JSON.stringify(longWork())};
  const square = ${JSON.stringify([placeholder('x', [-1, -1]), op('y', 'Square', ['x'])])};
  const matrix = (n) => [{ dtype: 'float32', shape: [n, n], data: new Float32Array(n * n).fill(0.01) }];
  const open = (nodes) => {
    const session = Session.open();
    session.add(nodes);
    return { session, plan: session.plan({ feeds: ['x'], fetches: ['y'] }) };
  };
`;

/** @returns exit code, what the script wrote */
function inProcess(script: string, args: string[] = []) {
  const { TF_CPP_MIN_LOG_LEVEL: _, ...env } = process.env;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...args, '--input-type=module', '-e', PRELUDE + script],
    { encoding: 'utf8', env, timeout: 100_000 },
  );
  return { status, signal, stdout: stdout.trim(), stderr };
}

/** The same script in a worker thread of Node, whose messages go to the script around it. */
const inWorker = (script: string) => `
  const { Worker } = await import('node:worker_threads');
  const source = ${JSON.stringify(`const { parentPort } = await import('node:worker_threads'); ${PRELUDE} ${script}`)};
  const start = () => new Worker(source, { eval: true });
`;

const fine = { status: 0, signal: null, stderr: '' };
const linux = process.platform === 'linux';

describe('a process with a session', () => {
  it.runIf(linux)(
    'has nothing of tfjs-node in it, writes nothing to standard error, and can use ops of our own',
    () => {
      const fused = (tensorflowFiles()?.ops.length ?? 0) > 0;
      const [x, channel] = ['float32', 'float32'].map((type) => ({ type }));
      const inputs = ['gamma', 'beta', 'mean', 'variance'];
      const nodes = [
        { name: 'x', op: 'Placeholder', inputs: [], attrs: { dtype: x, shape: { shape: [-1, -1] } } },
        ...inputs.map((name) => ({
          name,
          op: 'Placeholder',
          inputs: [],
          attrs: { dtype: channel, shape: { shape: [1] } },
        })),
        {
          name: 'y',
          op: 'BatchNormSilu',
          inputs: ['x', ...inputs],
          attrs: { epsilon: { float: 1 }, momentum: { float: 0.5 } },
        },
      ];
      const result = inProcess(`
      const { session } = open(${fused ? JSON.stringify(nodes) : 'square'});
      const one = (value) => ({ dtype: 'float32', shape: [1], data: Float32Array.of(value) });
      const x = { dtype: 'float32', shape: [3, 1], data: Float32Array.of(-1, 0, 1) };
      const plan = session.plan({ feeds: ${JSON.stringify(fused ? ['x', ...inputs] : ['x'])}, fetches: ['y'] });
      const [y] = plan.run(${fused ? '[x, one(1), one(0), one(0), one(1)]' : '[x]'});
      const { readFileSync } = await import('node:fs');
      const libraries = [...new Set(readFileSync('/proc/self/maps', 'utf8').match(/[\\w.]+\\.(?:node|so\\.2)$/gm))];
      console.log(JSON.stringify({ y: [...y.data], libraries }));
    `);
      expect(result).toMatchObject(fine);
      const { y, libraries } = JSON.parse(result.stdout);
      // (x − 0) / √(2/3 + 1), then x · sigmoid(x)
      const silu = (t: number) => t / (1 + Math.exp(-t));
      const expected = fused ? [-1, 0, 1].map((t) => silu(t / Math.sqrt(5 / 3))) : [1, 0, 1];
      y.forEach((value: number, i: number) => {
        expect(value).toBeCloseTo(expected[i], 6);
      });
      expect(libraries).toEqual(expect.arrayContaining(['session.node', 'libtensorflow_cc.so.2']));
      expect(libraries).not.toContain('tfjs_binding.node');
    },
  );

  it('does not grow with runs and with sessions', () => {
    const result = inProcess(
      `
      const megabytes = async () => {
        for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
        return process.memoryUsage.rss() / 2 ** 20;
      };
      const { plan } = open(square);
      const runs = async (n) => {
        for (let i = 0; i < n; i += 10) {
          for (let k = 0; k < 5; k++) plan.run(matrix(64));
          await Promise.all([1, 2, 3, 4, 5].map(() => plan.runAsync(matrix(64))));
        }
      };
      const sessions = async (n, close) => {
        for (let i = 0; i < n; i++) {
          const { session, plan } = open(square);
          const v = new Variables(session, [{ name: 'v', shape: [512, 512] }]); // 1 MB
          v.set(() => matrix(512)[0].data);
          await plan.runAsync(matrix(2));
          if (close) session.close();
          else if (i % 10 === 0) await megabytes();
        }
      };
      await runs(1000);
      await sessions(20, true);
      const before = await megabytes();
      await runs(10_000); // 160 MB go in, and out
      const afterRuns = await megabytes();
      await sessions(200, true);
      const afterSessions = await megabytes();
      await sessions(100, false);
      console.log(JSON.stringify([afterRuns - before, afterSessions - afterRuns, (await megabytes()) - afterSessions]));
      `,
      ['--expose-gc'],
    );
    expect(result).toMatchObject(fine);
    const [runs, sessions, forgotten] = JSON.parse(result.stdout);
    expect(runs).toBeLessThan(30);
    expect(sessions).toBeLessThan(40);
    expect(forgotten).toBeLessThan(40);
  });

  it('stays until its asynchronous runs are over', () => {
    const result = inProcess(`
      const { plan } = open(work);
      plan.runAsync(matrix(200)).then(() => console.log('over'));
    `);
    expect(result).toMatchObject({ ...fine, stdout: 'over' });
  });
});

describe('during a run', () => {
  const RUNNING = `
    const { plan } = open(work);
    for (let i = 0; i < 3; i++) plan.runAsync(matrix(300)).then(() => {}, () => {});
  `;

  it.each([0, 30, 100, 300])('the process may exit (%s ms after its start)', (ms) => {
    const result = inProcess(`${RUNNING} setTimeout(() => process.exit(7), ${ms});`);
    expect(result).toEqual({ status: 7, signal: null, stdout: '', stderr: '' });
  });

  it('the process may end by an exception', () => {
    const result = inProcess(`${RUNNING} setTimeout(() => { throw new Error('of the script'); }, 30);`);
    expect(result).toMatchObject({ status: 1, signal: null });
    expect(result.stderr).toContain('of the script');
  });

  it('a long one does not hold the exit up', () => {
    const result = inProcess(`
      const { plan } = open(work);
      plan.runAsync(matrix(2500)).then(() => console.log('over')); // half a minute
      setTimeout(() => process.exit(7), 50);
    `);
    expect(result).toEqual({ status: 7, signal: null, stdout: '', stderr: '' });
  });

  it('a worker thread may be terminated, and another one takes its place', () => {
    const result = inProcess(`${inWorker(`
      ${RUNNING}
      setTimeout(() => parentPort.postMessage('running'), 20);
      await plan.runAsync(matrix(2));
      parentPort.postMessage('over');
    `)}
      const first = start();
      await new Promise((resolve) => first.once('message', resolve));
      console.log(await first.terminate());
      const second = start();
      second.on('message', (message) => console.log(message));
    `);
    expect(result).toEqual({ ...fine, stdout: '1\nrunning\nover' });
  });

  it('of a worker thread the process may exit', () => {
    const result = inProcess(`${inWorker(`${RUNNING} setTimeout(() => parentPort.postMessage('running'), 20);`)}
      start().on('message', () => process.exit(9));
    `);
    expect(result).toEqual({ status: 9, signal: null, stdout: '', stderr: '' });
  });

  it('of one thread, others run too', () => {
    const result =
      inProcess(`${inWorker(`${RUNNING} parentPort.postMessage((await plan.runAsync(matrix(2)))[0].shape);`)}
      const { plan } = open(work);
      const shapes = [start(), start()].map((worker) => new Promise((resolve) => worker.once('message', resolve)));
      const [{ shape }] = await plan.runAsync(matrix(3));
      console.log(JSON.stringify([shape, ...(await Promise.all(shapes))]));
    `);
    expect(result).toEqual({ ...fine, stdout: '[[3,3],[2,2],[2,2]]' });
  });
});

/** Starts to load the libraries in another thread. */
const AHEAD = `
  const { loadTensorflow, loadTensorflowAhead, tensorflowFiles } = await import(${dist('graph/tensorflow.js')});
  const ahead = (files = tensorflowFiles()) => loadTensorflowAhead(files);
`;

describe('TensorFlow that is loaded ahead of time', () => {
  it('computes, and its messages do not hide what others write to standard error in the meantime', () => {
    const result = inProcess(`${AHEAD} ahead(); process.stderr.write('meanwhile');
      console.log(open(square).plan.run(matrix(2))[0].data.length);`);
    expect(result).toEqual({ status: 0, signal: null, stdout: '4', stderr: 'meanwhile' });
  });

  it.each([0, 50, 150])('the process may exit after %i ms', (ms) => {
    expect(inProcess(`${AHEAD} ahead(); setTimeout(() => process.exit(7), ${ms});`)).toMatchObject({
      status: 7,
      signal: null,
      stderr: '',
    });
  });

  it('reports in loadTensorflow that a library is missing', () => {
    const result = inProcess(`${AHEAD} const files = { ...tensorflowFiles(), libraries: ['/nowhere/libmissing.so'] };
      ahead(files); try { loadTensorflow(files) } catch (error) { console.log(error.message) }`);
    expect(result.stdout).toContain('/nowhere/libmissing.so');
    expect(result).toMatchObject(fine);
  });

  it('may have been other libraries than those that are needed', () => {
    const result = inProcess(`${AHEAD} ahead({ ...tensorflowFiles(), libraries: ['/nowhere/libmissing.so'] });
      console.log(loadTensorflow().version.split('.').length);`);
    expect(result).toEqual({ ...fine, stdout: '3' });
  });
});

describe('TensorFlow that does not load', () => {
  it("says so in the loader's words", () => {
    const result = inProcess(`
      const { loadTensorflow, tensorflowFiles } = await import(${dist('graph/tensorflow.js')});
      try {
        loadTensorflow({ ...tensorflowFiles(), libraries: ['/nowhere/libtensorflow_cc.so.2'] });
      } catch (error) {
        console.log(error.message);
      }
      console.log(open(square).plan.run(matrix(1))[0].shape.join()); // and it can be tried again
    `);
    expect(result).toMatchObject(fine);
    expect(result.stdout).toMatch(/^\/nowhere\/libtensorflow_cc\.so\.2: .+\n1,1$/);
  });

  it('because it is no TensorFlow, names the function that is missing', () => {
    const libc = /\S+libm\.so\.6/.exec(linux ? readFileSync('/proc/self/maps', 'utf8') : '')?.[0];
    if (!libc) return;
    const result = inProcess(`
      const { loadTensorflow, tensorflowFiles } = await import(${dist('graph/tensorflow.js')});
      loadTensorflow({ ...tensorflowFiles(), libraries: [${JSON.stringify(libc)}] });
    `);
    expect(result.stderr).toContain("TensorFlow's libraries have no function TF_Version");
  });

  it('where it was never set up is told with what to do', () => {
    const result = inProcess(`
      process.env.YOLO_CACHE = '/nowhere';
      try { Session.open(); } catch ({ name, code, hint }) { console.log(name, code, hint); }
    `);
    expect(result).toMatchObject(fine);
    expect(result.stdout).toMatch(/^UserError no-engine run: (npm run|yolo) setup$/);
  });
});
