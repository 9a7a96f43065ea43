import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useNative } from '../../src/backend/tfjs-node.js';
import { useWasm } from '../../src/backend/wasm.js';
import { resolveConfig } from '../../src/cfg/load.js';
import type { Detection } from '../../src/core/types.js';
import type { Detector } from '../../src/detect/detector.js';
import { createDetector } from '../../src/detect/detectors/network.js';
import { predict } from '../../src/engine/predict/predictor.js';
import { loadCheckpoint } from '../../src/nn/weights.js';
import { memoryAfter, referenceFolder } from '../helpers/reference.js';

const folder = referenceFolder();

interface Golden {
  class: string;
  confidence: number;
  box: [number, number, number, number];
}

/** Every object of `want` over 0.3 has its partner in `got`, and the other way round. */
function expectSameObjects(got: readonly Detection[], want: readonly Golden[]): void {
  const near = (d: Detection, g: Golden): boolean =>
    d.name === g.class &&
    Math.abs(d.confidence - g.confidence) <= 0.01 &&
    d.box.every((v, i) => Math.abs(v - g.box[i]) <= 1.5);
  for (const g of want.filter((g) => g.confidence > 0.3)) {
    expect(
      got.filter((d) => near(d, g)),
      `${g.class} ${g.confidence} at ${g.box}; found ${JSON.stringify(got)}`,
    ).toHaveLength(1);
  }
  for (const d of got.filter((d) => d.confidence > 0.31))
    expect(
      want.filter((g) => near(d, g)),
      JSON.stringify(d),
    ).toHaveLength(1);
}

async function detections(detector: Detector, options: Record<string, unknown>): Promise<Detection[][]> {
  const found: Detection[][] = [];
  const config = resolveConfig('predict', { model: 'yolov8n.pt', save: false, ...options });
  for await (const result of predict(config, { detector })) found.push(result.detections);
  return found;
}

const engines: [string, () => Promise<unknown>][] = [
  ['native', async () => expect(await useNative(), 'no native engine: run npm run setup').toBe(true)],
  ['wasm', () => useWasm(2)],
];

describe.skipIf(!folder).each(engines)(
  'yolov8n.pt on the %s engine finds what the reference finds (golden)',
  (engine, use) => {
    const golden: Record<string, Golden[]> = folder
      ? JSON.parse(readFileSync(join(folder, 'golden/yolov8n-predict.json'), 'utf8'))
      : {};
    let detector: Detector;
    beforeAll(async () => {
      await use();
      detector = await createDetector(await loadCheckpoint(join(folder as string, 'weights/yolov8n.pt')));
    });
    afterAll(() => detector?.dispose());

    for (const [title, want] of Object.entries(golden)) {
      const [, file, rect] = /^(.+) rect=(true|false)$/.exec(title) ?? [];
      it(title, async () => {
        const [got] = await detections(detector, { source: join(folder as string, 'images', file), rect });
        expectSameObjects(got, want);
      });
    }

    it('a batch of images of different shapes gives what each gives alone in the full square', async () => {
      const files = ['bus.jpg', 'zidane.jpg'];
      const source = join(folder as string, 'images/{bus,zidane}.jpg');
      const together = await detections(detector, { source, batch: 2 });
      together.forEach((got, i) => {
        expectSameObjects(got, golden[`${files[i]} rect=false`]);
      });
    });

    it.skipIf(engine === 'wasm')('memory stays flat over 1,000 images', async () => {
      const source = Array.from({ length: 1000 }, () => join(folder as string, 'images/zidane.jpg'));
      const config = resolveConfig('predict', { model: 'yolov8n.pt', save: false, imgsz: 160 });
      let n = 0;
      let [early, tensors] = [0, 0];
      for await (const _ of predict(config, { detector, source })) {
        if (++n === 200) [early, tensors] = [memoryAfter(), tf.memory().numTensors];
      }
      expect(n).toBe(1000);
      expect(tf.memory().numTensors).toBe(tensors);
      // 800 images of 2.7 MB each would be 2 GB; the allocator's own wavering is some tens of megabytes.
      expect(memoryAfter() - early).toBeLessThan(100);
    });
  },
);
