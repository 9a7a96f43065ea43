import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { useWasm } from '../../src/backend/wasm.js';
import type { Detector } from '../../src/detect/detector.js';
import { createDetector } from '../../src/detect/detectors/network.js';
import { createSavedModelDetector } from '../../src/detect/detectors/saved-model.js';
import { createTfjsDetector } from '../../src/detect/detectors/tfjs.js';
import { modelFile, onnxModel } from '../../src/export/onnx.js';
import { writeSavedModel } from '../../src/export/saved-model.js';
import { writeTfjs } from '../../src/export/tfjs.js';
import { expectSameOutput } from '../helpers/close.js';
import { native } from '../helpers/native.js';
import { loadAsFetched } from '../helpers/tfjs-model.js';
import { tmpDir } from '../helpers/tmp.js';
import { DECODED, goldenYolo11 } from '../helpers/yolo11.js';

const dir = tmpDir();

beforeAll(native);
afterAll(async () => {
  await tf.setBackend('tensorflow');
});

describe.each(goldenYolo11())('golden model-v11 $scale: eval.decoded from', ({ scale, spec, checkpoint, want }) => {
  const { shape, data } = want('input');
  const [b, h, w] = shape;
  const imgsz: [number, number] = [h, w];
  const images = () => tf.tensor4d(data as Float32Array, shape as [number, number, number, number]);

  for (const [dynamic, half, rtol] of [
    [false, false, DECODED],
    [true, false, DECODED],
    [true, true, 2e-2],
  ] as const)
    test(`ONNX, dynamic=${dynamic} half=${half}`, async () => {
      const path = join(dir, `${scale}-${dynamic}-${half}.onnx`);
      const options = { imgsz, batch: b, dynamic, half, opset: 17, version: '1', metadata: {} };
      modelFile(path, onnxModel(spec, checkpoint.weights, options)).commit();
      const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3 });
      const planes = tf.tidy(() => tf.transpose(images(), [0, 3, 1, 2]).dataSync() as Float32Array);
      const { output0 } = await session.run({ images: new ort.Tensor('float32', planes, [b, 3, h, w]) });
      await session.release();
      const got = { shape: [...output0.dims], data: output0.data as Float32Array };
      expectSameOutput(got, want('eval.decoded'), { rtol });
    });

  for (const [backend, weights, rtol] of [
    ['tensorflow', 'float32', DECODED],
    ['wasm', 'float32', DECODED],
    ['wasm', 'uint8', 0.05],
  ] as const)
    test(`TensorFlow.js on ${backend}, ${weights} weights`, async () => {
      const folder = join(dir, `${scale}-${backend}-${weights}`);
      writeTfjs(folder, spec, checkpoint.weights, { imgsz, batch: b, weights, metadata: {}, version: '1' });
      if (backend === 'wasm') await useWasm(1);
      else await tf.setBackend(backend);
      const model = await loadAsFetched(folder);
      const x = images();
      const y = model.execute(x) as tf.Tensor;
      expectSameOutput({ shape: y.shape, data: await y.data() }, want('eval.decoded'), { rtol });
      tf.dispose([x, y]);
      model.dispose();
      await tf.setBackend('tensorflow');
    });

  // Detectors take bytes, so the golden input is rounded: agreement is that with the network itself.
  for (const [format, write, open] of [
    [
      'SavedModel',
      (to) => writeSavedModel(to, spec, checkpoint.weights, { imgsz, batch: b, half: false, metadata: {} }),
      createSavedModelDetector,
    ],
    [
      'TensorFlow.js in a session',
      (to) =>
        writeTfjs(to, spec, checkpoint.weights, { imgsz, batch: b, weights: 'float32', metadata: {}, version: '1' }),
      createTfjsDetector,
    ],
  ] as [string, (to: string) => void, (folder: string) => Promise<Detector>][])
    test(`${format}, as a detector`, async () => {
      const folder = join(dir, `${scale}-${format}`);
      write(folder);
      const bytes = Uint8Array.from(data, (v) => Math.round(v * 255));
      const [exported, original] = [await open(folder), await createDetector(checkpoint)];
      const [got, expected] = await Promise.all([exported, original].map((one) => one.infer(bytes, [b, h, w])));
      expectSameOutput(got, expected, { rtol: 1e-4 });
      exported.dispose();
      original.dispose();
    });
});
