import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/cfg/load.js';
import type { Detection } from '../../src/core/types.js';
import { exportModel } from '../../src/engine/export/exporter.js';
import { Browser, findChromium, serve } from '../helpers/chromium.js';
import { tmpDir } from '../helpers/tmp.js';

const folder = process.env.YOLO_REFERENCE ?? '';
const chromium = findChromium();

describe.skipIf(!chromium)(`yolov8n in a browser${chromium ? '' : ' (left out: no Chromium along PATH)'}`, () => {
  const dir = tmpDir();
  const web = join(dir, 'yolov8n_web_model');
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;

  beforeAll(async () => {
    const model = join(dir, 'yolov8n.pt');
    copyFileSync(join(folder, 'weights/yolov8n.pt'), model);
    await exportModel(resolveConfig('export', { model, format: 'tfjs' }));
    for (const name of ['bus.jpg', 'zidane.jpg']) copyFileSync(join(folder, 'images', name), join(web, name));
    server = await serve(web);
    browser = await Browser.start(chromium!, join(dir, 'profile'));
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const golden: Record<string, { class: string; confidence: number; box: number[] }[]> = JSON.parse(
    readFileSync(join(folder, 'golden/yolov8n-predict.json'), 'utf8'),
  );

  for (const [image, backend] of [
    ['bus.jpg', 'wasm'],
    ['zidane.jpg', 'wasm'],
    ['bus.jpg', 'webgl'],
  ])
    test(`${image} on ${backend}: the reference's objects`, async () => {
      const { state, result } = await browser.openPage(server.url, { backend, image, conf: '0.25' }, 300);
      expect(state).toContain(backend);
      const got = (JSON.parse(result) as Detection[]).filter((d) => d.confidence > 0.3);
      // What is close to the threshold may fall on either side.
      const want = golden[`${image} rect=false`].filter((d) => d.confidence > 0.3);
      expect(want.length).toBeGreaterThan(1);
      expect(got.map(({ name }) => name).sort()).toEqual(want.map((d) => d.class).sort());
      // The browser's JPEG decoder rounds otherwise than the reference's.
      for (const { class: cls, box, confidence } of want) {
        const near = (d: Detection) => d.name === cls && box.every((x, k) => Math.abs(x - d.box[k]) < 2);
        const match = got.find(near);
        expect(match, `${cls} at ${box}`).toBeDefined();
        expect(Math.abs(match!.confidence - confidence)).toBeLessThan(0.02);
      }
    });
});
