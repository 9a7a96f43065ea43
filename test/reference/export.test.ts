import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/cfg/load.js';
import type { Detection } from '../../src/core/types.js';
import { exportModel } from '../../src/engine/export/exporter.js';
import { predict } from '../../src/engine/predict/predictor.js';
import { tmpDir } from '../helpers/tmp.js';

const folder = process.env.YOLO_REFERENCE ?? '';

/** What a model finds in one of the reference's images. */
async function found(model: string, image: string, options: Record<string, unknown> = {}): Promise<Detection[]> {
  const source = join(folder, 'images', image);
  for await (const { detections } of predict(
    resolveConfig('predict', { model, source, save: false, rect: false, ...options }),
  ))
    return detections;
  return [];
}

describe('yolov8n.pt exported', () => {
  const dir = tmpDir();
  const original = join(dir, 'yolov8n.pt');
  copyFileSync(join(folder, 'weights/yolov8n.pt'), original);

  for (const [name, options, tolerance] of [
    ['onnx', {}, { confidence: 1e-3, box: 0.5 }],
    ['onnx dynamic', { dynamic: true }, { confidence: 1e-3, box: 0.5 }],
    ['onnx nms', { nms: true }, { confidence: 1e-3, box: 0.5 }],
    ['onnx half', { half: true }, { confidence: 1e-2, box: 2 }],
    ['safetensors', { format: 'safetensors' }, { confidence: 1e-3, box: 0.5 }],
    ['torch', { format: 'torch' }, { confidence: 1e-3, box: 0.5 }],
    ['torch half', { format: 'torch', half: true }, { confidence: 1e-3, box: 0.5 }],
    ['tfjs', { format: 'tfjs' }, { confidence: 1e-3, box: 0.5 }],
    ['tfjs half', { format: 'tfjs', half: true }, { confidence: 1e-2, box: 2 }],
    ['saved_model', { format: 'saved_model' }, { confidence: 1e-3, box: 0.5 }],
    ['saved_model half', { format: 'saved_model', half: true }, { confidence: 1e-2, box: 2 }],
  ] as const) {
    test(`${name}: the same objects as the original`, async () => {
      const { files } = await exportModel(resolveConfig('export', { model: original, ...options }));
      for (const image of ['bus.jpg', 'zidane.jpg']) {
        const want = await found(original, image);
        const got = await found(files[0], image);
        expect(got.map((d) => d.name)).toEqual(want.map((d) => d.name));
        expect(want.length).toBeGreaterThan(1);
        want.forEach((w, i) => {
          expect(Math.abs(got[i].confidence - w.confidence)).toBeLessThan(tolerance.confidence);
          for (let k = 0; k < 4; k++) expect(Math.abs(got[i].box[k] - w.box[k])).toBeLessThan(tolerance.box);
        });
      }
    });
  }

  test('the export finds what the reference finds: golden/yolov8n-predict', async () => {
    const golden: Record<string, { class: string; confidence: number; box: number[] }[]> = JSON.parse(
      readFileSync(join(folder, 'golden/yolov8n-predict.json'), 'utf8'),
    );
    const model = await exportModel(resolveConfig('export', { model: original, dynamic: true }));
    for (const [key, all] of Object.entries(golden)) {
      const [image, rect] = key.split(' rect=');
      const got = await found(model.files[0], image, { rect });
      for (const want of all.filter((d) => d.confidence > 0.3)) {
        const near = (d: Detection) => d.name === want.class && want.box.every((x, k) => Math.abs(x - d.box[k]) < 1.5);
        const match = got.find(near);
        expect(match, `${key}: ${want.class} at ${want.box}`).toBeDefined();
        expect(Math.abs(match!.confidence - want.confidence)).toBeLessThan(0.01);
      }
    }
  });
});
