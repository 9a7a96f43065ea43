import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useNative } from '../../src/backend/tfjs-node.js';
import { useWasm } from '../../src/backend/wasm.js';
import { resolveConfig } from '../../src/cfg/load.js';
import { unletterbox } from '../../src/core/boxes.js';
import { log } from '../../src/core/log.js';
import { rng } from '../../src/core/rng.js';
import type { Detection } from '../../src/core/types.js';
import { detectionsOf, toDetections } from '../../src/detect/detections.js';
import { createTfjsDetector } from '../../src/detect/detectors/tfjs.js';
import { exportModel } from '../../src/engine/export/exporter.js';
import { encodeImage } from '../../src/image/codec.js';
import { letterbox } from '../../src/image/letterbox.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { Browser, findChromium, serve } from '../helpers/chromium.js';
import { liveModel } from '../helpers/live-model.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const web = join(dir, 'tiny_web_model');
const random = rng(7);
/** Wider than high, so that the letterbox pads. */
const noise = { width: 150, height: 90, data: Uint8Array.from({ length: 150 * 90 * 3 }, () => random.int(256)) };
const options = { conf: 0.3, iou: 0.5 };
let want: Detection[];

beforeAll(async () => {
  log.setVerbose(false);
  const model = join(dir, 'tiny.weights');
  saveCheckpoint(model, liveModel());
  await exportModel(resolveConfig('export', { model, format: 'tfjs', imgsz: 96 }));
  writeFileSync(join(web, 'noise.png'), await encodeImage(noise, 'png'));
  want = await detectInNode();
});
afterAll(() => log.setVerbose(true));

async function detectInNode(): Promise<Detection[]> {
  const detector = await createTfjsDetector(web);
  const place = letterbox(noise, [96, 96]);
  const output = await detector.infer(place.image.data, [1, 96, 96]);
  detector.dispose();
  return toDetections(unletterbox(detectionsOf(output, 0, options), 6, place, noise), detector.names);
}

function expectSame(got: Detection[], tolerance: { score: number; px: number }): void {
  expect(got.map(({ class: cls, name }) => [cls, name])).toEqual(want.map(({ class: cls, name }) => [cls, name]));
  got.forEach(({ confidence, box }, i) => {
    expect(Math.abs(confidence - want[i].confidence)).toBeLessThan(tolerance.score);
    box.forEach((x, k) => {
      expect(Math.abs(x - want[i].box[k])).toBeLessThan(tolerance.px);
    });
  });
}

describe('yolo.js', () => {
  test('there is something to find', () => {
    expect(want.length).toBeGreaterThan(5);
  });

  test('as a module without imports: the detections of the project itself', async () => {
    const source = readFileSync(join(web, 'yolo.js'), 'utf8');
    expect(source).not.toMatch(/^import |\brequire\(/m);
    const page = await import(/* @vite-ignore */ pathToFileURL(join(web, 'yolo.js')).href);
    expect(Object.keys(page).sort()).toEqual(['Yolo', 'loadYolo']);
    const { Yolo, loadYolo } = page;
    const { loadGraphModel } = await import('@tensorflow/tfjs-converter');
    const json = JSON.parse(readFileSync(join(web, 'model.json'), 'utf8'));
    const read = (name: string) => readFileSync(join(web, name));
    const weights = Buffer.concat(json.weightsManifest[0].paths.map(read));
    const data = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length);
    const artifacts = await tf.io.getModelArtifactsForJSON(json, async () => [json.weightsManifest[0].weights, data]);
    const handler = { load: async () => artifacts };
    if (!(await useNative())) await useWasm(1); // what a page's own backend is here
    const yolo = await loadYolo(handler, { ...tf, loadGraphModel });
    expect(yolo).toBeInstanceOf(Yolo);
    expect(yolo.imgsz).toEqual([96, 96]);
    const rgba = new Uint8ClampedArray(noise.width * noise.height * 4).fill(255);
    for (let i = 0; i < noise.width * noise.height; i++) rgba.set(noise.data.subarray(3 * i, 3 * i + 3), 4 * i);
    const before = tf.memory().numTensors;
    expectSame(await yolo.detect({ ...noise, data: rgba }, options), { score: 1e-6, px: 1e-3 });
    expect(tf.memory().numTensors).toBe(before);
    expect(await yolo.detect({ ...noise, data: rgba }, { ...options, maxDet: 2 })).toHaveLength(2);
    yolo.dispose();
    await expect(loadYolo(handler)).rejects.toThrow(/TensorFlow.js is not loaded/);
  });

  test('types: no imports, and the exports of the module', () => {
    const types = readFileSync(join(web, 'yolo.d.ts'), 'utf8');
    expect(types).not.toMatch(/^import /m);
    for (const name of ['loadYolo', 'class Yolo', 'DetectOptions', 'Detection'])
      expect(types).toMatch(new RegExp(`^export .*${name}|^export (type )?\\{.*${name}`, 'm'));
  });
});

/** Seconds: SwiftShader compiles the shaders on the CPU. */
const PATIENCE = 200;
const chromium = findChromium();

describe.skipIf(!chromium)(`the page in a browser${chromium ? '' : ' (left out: no Chromium along PATH)'}`, () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;

  beforeAll(async () => {
    server = await serve(web);
    browser = await Browser.start(chromium!, join(dir, 'profile'));
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  for (const backend of ['wasm', 'webgl'])
    test(
      `${backend}: the detections of Node`,
      async () => {
        const settings = { backend, image: 'noise.png', conf: String(options.conf) };
        const { state, result } = await browser.openPage(server.url, settings, PATIENCE);
        expect(state).toContain(backend);
        expect(JSON.parse(result).length).toBeGreaterThan(5);
        const code = `import('./yolo.js').then(async ({ loadYolo }) => {
        const yolo = await loadYolo('model.json');
        const noise = await createImageBitmap(await (await fetch('noise.png')).blob());
        return yolo.detect(noise, ${JSON.stringify(options)});
      })`;
        expectSame(await browser.evaluate<Detection[]>(code), { score: 1e-3, px: 0.1 });
      },
      2000 * PATIENCE,
    );

  test(
    'labels stay inside of the noise',
    async () => {
      const narrow = { ...noise, width: 96, height: 120, data: noise.data.subarray(0, 96 * 120 * 3) };
      writeFileSync(join(web, 'narrow.png'), await encodeImage(narrow, 'png'));
      await browser.openPage(server.url, { backend: 'wasm', image: 'narrow.png', conf: '0.2' }, PATIENCE);
      const drawn = await browser.evaluate<[left: number, right: number, width: number][]>(`new Promise((resolve) => {
        const drawn = [];
        const { fillText } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          drawn.push([x, x + this.measureText(text).width, this.canvas.width]);
          fillText.call(this, text, x, y);
        };
        document.getElementById('conf').dispatchEvent(new Event('input'));
        setInterval(() => drawn.length > 5 && resolve(drawn), 50);
      })`);
      for (const [left, right, width] of drawn) {
        expect(left).toBeGreaterThanOrEqual(0);
        expect(right).toBeLessThanOrEqual(width);
      }
      expect(drawn.some(([, right, width]) => right > width - 10)).toBe(true); // one had to move
    },
    2000 * PATIENCE,
  );

  test('the server gives nothing from outside of its folder', async () => {
    expect((await fetch(`${server.url}%2e%2e/tiny.weights`)).status).toBe(404);
    expect((await fetch(`${server.url}..%2ftiny.weights`)).status).toBe(404);
    expect((await fetch(`${server.url}model.json`)).headers.get('content-type')).toBe('application/json');
  });
});
