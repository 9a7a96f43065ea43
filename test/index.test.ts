import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NamedArray } from '../src/core/types.js';
import { encodeImage, type PredictResult, UserError, YOLO } from '../src/index.js';
import { saveCheckpoint } from '../src/nn/weights.js';
import { golden } from './helpers/golden.js';
import { tmpDir } from './helpers/tmp.js';

/** The small network of golden/model, as a file. */
function smallModel(): { path: string; nc: number } {
  const { tensors, meta } = golden('model');
  const weights = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of tensors) {
    if (name.startsWith('weights.')) weights.set(name.slice(8), { shape, data: data as Float32Array });
  }
  const path = join(tmpDir(), 'small.safetensors');
  const names = Array.from({ length: meta.nc }, (_, i) => `class ${i}`);
  saveCheckpoint(path, { weights, names, yaml: meta.yaml, info: {} });
  return { path, nc: meta.nc };
}

describe('YOLO', () => {
  const { path, nc } = smallModel();
  const picture = {
    data: Uint8Array.from({ length: 90 * 70 * 3 }, (_, i) => (i * 31 + (i >> 4) * 7) & 255),
    width: 90,
    height: 70,
  };
  const options = { imgsz: 96, conf: 0.001, iou: 0.5, max_det: 20 };
  let yolo: YOLO;
  beforeAll(async () => {
    yolo = await YOLO.load(path);
  });
  afterAll(() => yolo.dispose());

  async function all(source: Parameters<YOLO['predict']>[0], more = {}): Promise<PredictResult[]> {
    const results: PredictResult[] = [];
    for await (const result of yolo.predict(source, { ...options, ...more })) results.push(result);
    return results;
  }

  it('knows its classes and its engine', () => {
    expect(yolo.names).toHaveLength(nc);
    expect(yolo.engine).toMatch(/TensorFlow|WebAssembly/);
  });

  it('finds the same in pixels, in bytes and in a file', async () => {
    const bytes = await encodeImage(picture, 'png');
    const file = join(tmpDir(), 'x.png');
    writeFileSync(file, bytes);
    const [pixels, encoded, read] = await all([picture, bytes, file]);
    expect(pixels.detections.length).toBeGreaterThan(0);
    expect(pixels).toMatchObject({ path: 'image0', width: 90, height: 70 });
    expect(encoded.detections).toEqual(pixels.detections);
    expect(read.detections).toEqual(pixels.detections);
    for (const { box, confidence, name } of pixels.detections) {
      expect(box[0] >= 0 && box[1] >= 0 && box[2] <= 90 && box[3] <= 70).toBe(true);
      expect(confidence).toBeGreaterThan(0.001);
      expect(yolo.names).toContain(name);
    }
  });

  it('a batch gives what single pictures give', async () => {
    const single = await all([picture, picture, picture]);
    const batch = await all([picture, picture, picture], { batch: 2 });
    batch.forEach(({ detections }, i) => {
      expect(detections).toHaveLength(single[i].detections.length);
      detections.forEach((d, k) => {
        expect(d.confidence).toBeCloseTo(single[i].detections[k].confidence, 4);
      });
    });
  });

  it('leaves no tensors behind', async () => {
    await all(picture);
    const before = tf.memory().numTensors;
    await all([picture, picture]);
    for await (const _ of yolo.predict([picture, picture], options)) break;
    expect(tf.memory().numTensors).toBe(before);
  });

  it('test-time augmentation is another network on the same weights', async () => {
    const [plain] = await all(picture);
    const [merged] = await all(picture, { augment: true });
    expect(merged.detections).not.toEqual(plain.detections);
  });

  it('wrong requests are told as such', async () => {
    await expect(all(join(tmpDir(), 'none.jpg'))).rejects.toBeInstanceOf(UserError);
    await expect(all(picture, { cnof: 0.3 })).rejects.toThrow(/conf/);
    await expect(YOLO.load('yolov8.yaml')).rejects.toMatchObject({ code: 'no-weights' });
    await expect(YOLO.load(join(tmpDir(), 'none.pt'))).rejects.toBeInstanceOf(UserError);
  });
});
