import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { readDevice } from '../../src/backend/device.js';
import { tmpDir } from '../helpers/tmp.js';

const BACKEND = new URL('../../dist/backend/select-engine.js', import.meta.url).href;
const CORE = fileURLToPath(new URL('../../node_modules/@tensorflow/tfjs-core', import.meta.url));

/** Each choice of an engine in a process of its own: a process chooses once. @returns what `body` returned, as JSON */
function inProcess(body: string, env: Record<string, string> = {}) {
  const script = `
    import { createRequire } from 'node:module';
    const { describeEngine, requireTraining, selectEngine } = await import(${JSON.stringify(BACKEND)});
    const tf = createRequire(import.meta.url)(${JSON.stringify(CORE)});
    const answer = await (async () => { ${body} })().catch(({ name, code, message, hint }) => ({ name, code, message, hint }));
    console.log(JSON.stringify(answer));`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, YOLO_ENGINE: '', ...env },
    timeout: 60_000,
  });
  return { answer: stdout ? JSON.parse(stdout) : undefined, stderr, status };
}

describe('device', () => {
  it.each([
    [undefined, 'auto'],
    [null, 'auto'],
    ['auto', 'auto'],
    ['', 'auto'],
    ['CPU', 'cpu'],
    [0, { gpu: 0 }],
    ['[2]', { gpu: 2 }],
    ['cuda:1', { gpu: 1 }],
    ['cuda', { gpu: 0 }],
    [-1, { gpu: 0 }],
  ])('%s means %j', (value, wish) => expect(readDevice(value)).toEqual(wish));

  it.each(['mps', 'npu', 'foo', '1.5', '0,1'])('%s is refused', (value) => {
    expect(() => readDevice(value)).toThrow(`device=${value}`);
  });

  it('a GPU that the engine cannot use is refused in one line', () => {
    const { answer, stderr } = inProcess(`
      const refused = await selectEngine({ device: 999 }).catch(({ code, message }) => [code, message]);
      return [...refused, (await selectEngine({ device: 'cpu' })).description];`);
    expect(answer[0]).toBe('no-gpu');
    expect(answer[1]).toMatch(/^device=999: .+$/);
    expect(answer[2]).toMatch(/CPU|WebAssembly/);
    expect(stderr).toBe('');
  });
});

describe('choice of the engine', () => {
  it.runIf(engineReady())('native, with nothing on standard error, and it can train', () => {
    const { answer, stderr, status } = inProcess(`
      const engine = await selectEngine();
      requireTraining(engine);
      const modules = Object.keys(createRequire(import.meta.url).cache);
      return [engine.name, modules.filter((path) => /tfjs_binding/.test(path)), describeEngine(engine)];`);
    expect(answer.slice(0, 2)).toEqual(['tensorflow', []]);
    expect(answer[2]).toMatch(/^Engine: TensorFlow 2\.21\.0 \(CPU, \d+ threads?\)/);
    expect([stderr, status]).toEqual(['', 0]);
  });

  it('WebAssembly where nothing was set up: it says why, and refuses to train', () => {
    const { answer, stderr } = inProcess(
      `const engine = await selectEngine();
       let refusal;
       try { requireTraining(engine); } catch (error) { refusal = error; }
       return [engine.name, tf.getBackend(), describeEngine(engine), refusal.code, refusal.message];`,
      { YOLO_CACHE: tmpDir() },
    );
    expect(answer.slice(0, 2)).toEqual(['wasm', 'wasm']);
    expect(answer[2]).toMatch(
      /cannot train, because the native engine is not set up\. Faster: run "npm run setup" once\.$/,
    );
    expect(answer[3]).toBe('cannot-train');
    expect(answer[4]).toContain('training needs the native TensorFlow engine');
    expect(stderr).toBe('');
  });

  it.each([1, 2, 4])('WebAssembly computes the same with %i threads, and lets the process end', (threads) => {
    const { answer, stderr, status } = inProcess(
      `const { threads } = await selectEngine({ threads: ${threads} });
       const x = tf.sin(tf.range(0, 25600));
       const y = tf.conv2d(tf.reshape(x, [2, 40, 40, 8]), tf.reshape(tf.cos(tf.range(0, 1152)), [3, 3, 8, 16]), 1, 'same');
       return [threads, tf.sum(tf.abs(y)).dataSync()[0], process.listenerCount('uncaughtException'), 'Worker' in globalThis];`,
      { YOLO_ENGINE: 'wasm' },
    );
    expect(answer[0]).toBe(threads);
    expect(answer[1] / SUM).toBeCloseTo(1, 4);
    expect(answer.slice(2)).toEqual([0, false]);
    expect([stderr, status]).toEqual(['', 0]);
  });

  it('YOLO_ENGINE=tensorflow fails where it is not there', () => {
    const { answer } = inProcess('return selectEngine();', { YOLO_CACHE: tmpDir(), YOLO_ENGINE: 'tensorflow' });
    expect(answer).toMatchObject({ code: 'no-engine' });
  });
});

/** Sum of the absolute values of the convolution above, by its definition, in double precision. */
const SUM = (() => {
  let sum = 0;
  for (let b = 0; b < 2; b++)
    for (let y = 0; y < 40; y++)
      for (let x = 0; x < 40; x++)
        for (let o = 0; o < 16; o++) {
          let value = 0;
          for (let i = 0; i < 9; i++) {
            const [r, c] = [y + Math.floor(i / 3) - 1, x + (i % 3) - 1];
            if (r < 0 || c < 0 || r >= 40 || c >= 40) continue;
            for (let k = 0; k < 8; k++) {
              value += Math.sin(((b * 40 + r) * 40 + c) * 8 + k) * Math.cos((i * 8 + k) * 16 + o);
            }
          }
          sum += Math.abs(value);
        }
  return sum;
})();
