import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { detectionsOf } from '../../src/detect/detections.js';
import { createOnnxDetector } from '../../src/detect/detectors/onnx.js';
import { exportMetadata } from '../../src/export/metadata.js';
import { modelFile, type OnnxOptions, onnxModel } from '../../src/export/onnx.js';
import { readOnnxHeader } from '../../src/io/onnx-file.js';
import { type Arrayish, expectClose, expectSameOutput } from '../helpers/close.js';
import { pick } from '../helpers/golden.js';
import { tinyModel } from '../helpers/tiny-model.js';
import { tmpDir } from '../helpers/tmp.js';
import { trainedModel } from '../helpers/trained-model.js';

const trained = trainedModel();
const { checkpoint, spec, decoded } = trained;
const dir = tmpDir();
const [B, H, W] = trained.images.shape;
const K = spec.nc;

function write(name: string, change: Partial<OnnxOptions> = {}, { checkpoint, spec } = trained as Model): string {
  const options = {
    imgsz: [H, W] as [number, number],
    batch: B,
    dynamic: false,
    half: false,
    opset: 17,
    version: '1',
    ...change,
  };
  const args = { nms: change.nms !== undefined, dynamic: options.dynamic };
  const metadata = exportMetadata(spec, checkpoint, checkpoint.names, { ...options, args });
  const path = join(dir, `${name}.onnx`);
  modelFile(path, onnxModel(spec, checkpoint.weights, { metadata, ...options })).commit();
  return path;
}

type Model = Pick<typeof trained, 'checkpoint' | 'spec'>;

/** [B, H, W, 3] → [B, 3, H, W] */
function planes(data: ArrayLike<number>, [b, h, w]: number[]): Float32Array {
  const area = h * w;
  return Float32Array.from(
    { length: b * 3 * area },
    (_, i) => data[(Math.floor(i / (3 * area)) * area + (i % area)) * 3 + (Math.floor(i / area) % 3)],
  );
}

async function run(
  path: string,
  data: Float32Array,
  shape: number[],
): Promise<{ shape: number[]; data: Float32Array }> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3 });
  const { output0 } = await session.run({ images: new ort.Tensor('float32', data, shape) });
  await session.release();
  return { shape: [...output0.dims], data: output0.data as Float32Array };
}

function bytes(b: number, h: number, w: number): Uint8Array {
  const random = rng(b, h, w);
  return Uint8Array.from({ length: b * h * w * 3 }, () => random.int(256));
}

const inputs = planes(
  Float32Array.from(trained.images.data, (v) => v / 255),
  [B, H, W],
);

describe('ONNX export', () => {
  for (const [name, change] of [
    ['fixed shape', {}],
    ['dynamic', { dynamic: true }],
    ['opset 13', { opset: 13 }],
    ['opset 15', { opset: 15 }],
    ['opset 18', { opset: 18 }],
    ['opset 20', { opset: 20, dynamic: true }],
    ['opset 22', { opset: 22 }],
  ] as [string, Partial<OnnxOptions>][]) {
    test(`${name}: output0 is what the reference gives`, async () => {
      expectSameOutput(await run(write(name, change), inputs, [B, 3, H, W]), decoded, { rtol: 1e-4 });
    });
  }

  test('output0 is golden/model eval.decoded', async () => {
    const { file, ...model } = tinyModel();
    const { shape, data } = pick(file, 'input');
    const [b, h, w] = shape;
    const path = write('golden', { imgsz: [h, w], batch: b }, model);
    const got = await run(path, planes(data as Float32Array, shape), [b, 3, h, w]);
    expectSameOutput(got, pick(file, 'eval.decoded') as Arrayish, { rtol: 1e-4 });
  });

  test('half is near what the reference gives, at half the size', async () => {
    expectSameOutput(await run(write('half', { half: true }), inputs, [B, 3, H, W]), decoded, { rtol: 2e-2 });
    const [full, half] = [false, true].map(
      (half) =>
        onnxModel(spec, checkpoint.weights, {
          imgsz: [H, W],
          batch: 1,
          dynamic: true,
          half,
          opset: 17,
          version: '',
          metadata: {},
        }).length,
    );
    expect(half / full).toBeLessThan(0.6);
  });

  test('a dynamic model of another shape and batch agrees with one made for that shape', async () => {
    const [b, h, w] = [3, 64, 160];
    const x = planes(
      Float32Array.from(bytes(b, h, w), (v) => v / 255),
      [b, h, w],
    );
    const fixed = await run(write('other', { imgsz: [h, w], batch: b }), x, [b, 3, h, w]);
    expectClose(await run(write('free', { dynamic: true }), x, [b, 3, h, w]), fixed, { rtol: 1e-6 });
  });

  for (const agnostic of [false, true]) {
    for (const [b, dynamic] of [
      [1, false],
      [3, false],
      [4, true],
    ] as const) {
      test(`nms=true gives the rows of this project's NMS: agnostic ${agnostic}, batch ${b}, dynamic ${dynamic}`, async () => {
        // A threshold among the scores keeps some.
        const raw = await createOnnxDetector(write('raw', { dynamic: true }));
        const images = bytes(b, 96, 64);
        images.fill(0, 0, images.length / b); // the first image is black: other inputs, other counts
        const output = await raw.infer(images, [b, 96, 64]);
        const scores = [...output.data]
          .filter((_, i) => Math.floor(i / output.shape[2]) % output.shape[1] >= 4)
          .sort((x, y) => y - x);
        const limits = { conf: (scores[60] + scores[61]) / 2, iou: 0.5, maxDet: 20, agnostic };
        const finished = await createOnnxDetector(write('nms', { imgsz: [96, 64], batch: b, dynamic, nms: limits }));
        expect(finished.endToEnd).toBe(true);
        const rows = await finished.infer(images, [b, 96, 64]);
        expect(rows.shape).toEqual([b, 20, 6]);
        let found = 0;
        for (let i = 0; i < b; i++) {
          const want = detectionsOf(output, i, limits);
          const got = detectionsOf(rows, i, { ...limits, conf: 0 }, true);
          expectClose({ shape: [got.length], data: got }, { shape: [want.length], data: want }, { atol: 1e-2 });
          found += want.length / 6;
        }
        expect(found).toBeGreaterThan(1);
        raw.dispose();
        finished.dispose();
      });
    }
  }

  test('no detection at all: rows of zeros', async () => {
    const detector = await createOnnxDetector(
      write('none', { nms: { conf: 0.999999, iou: 0.5, maxDet: 7, agnostic: false } }),
    );
    const { data, shape } = await detector.infer(bytes(B, H, W), [B, H, W]);
    expect(shape).toEqual([B, 7, 6]);
    expect(data.every((x) => x === 0)).toBe(true);
  });

  test('the file says what it is', () => {
    const { inputs, outputs, metadata, opset, producer } = readOnnxHeader(write('header', { batch: 2 }));
    expect([opset, producer]).toEqual([17, 'yolov8-tfjs']);
    expect(inputs).toEqual([{ name: 'images', element: 1, shape: [2, 3, H, W] }]);
    expect(outputs).toEqual([{ name: 'output0', element: 1, shape: [2, 4 + K, decoded.shape[2]] }]);
    expect(metadata).toMatchObject({
      task: 'detect',
      stride: '32',
      batch: '2',
      imgsz: `[${H}, ${W}]`,
      license: 'of the weights',
    });
    expect(metadata.names.startsWith('{0: "it\'s \\"0\\" é", 1: ')).toBe(true);
    const free = readOnnxHeader(write('header-dynamic', { dynamic: true }));
    expect(free.inputs[0].shape).toEqual(['batch', 3, 'height', 'width']);
    expect(free.outputs[0].shape).toEqual(['batch', 4 + K, 'anchors']);
  });
});

describe('ONNX detector', () => {
  test('names, stride, fixed shape and batch come from the file; batches that do not fit are split and filled up', async () => {
    const fixed = await createOnnxDetector(write('fixed', { imgsz: [64, 96], batch: 2 }));
    expect(fixed).toMatchObject({
      names: checkpoint.names,
      stride: 32,
      fixedShape: [64, 96],
      fixedBatch: 2,
      endToEnd: false,
    });
    expect(fixed.engine).toMatch(/^onnxruntime \d/);
    const free = await createOnnxDetector(write('free2', { dynamic: true }));
    expect([free.fixedShape, free.fixedBatch]).toEqual([undefined, undefined]);
    const images = bytes(5, 64, 96);
    expectClose(await fixed.infer(images, [5, 64, 96]), await free.infer(images, [5, 64, 96]), { rtol: 1e-5 });
    fixed.dispose();
    free.dispose();
  });

  test('without the runtime the message says what to install', async () => {
    const path = write('any');
    const runtime = async () => {
      const name = 'a-package-that-is-not-there';
      return (await import(name)) as never;
    };
    await expect(createOnnxDetector(path, { runtime })).rejects.toThrow(/a-package-that-is-not-there/);
  });

  test('files that are no such model: one message', async () => {
    const bad = join(dir, 'bad.onnx');
    const whole = onnxModel(spec, checkpoint.weights, {
      imgsz: [64, 64],
      batch: 1,
      dynamic: false,
      half: false,
      opset: 17,
      version: '',
      metadata: { task: 'segment' },
    }).finish();
    const cases: [Uint8Array, RegExp][] = [
      [Buffer.from('hello'), /not an ONNX model/],
      [new Uint8Array(0), /not an ONNX model/],
      [whole.subarray(0, whole.length / 2), /not an ONNX model, or is truncated/],
      [whole, /task 'segment'/],
    ];
    for (const [data, message] of cases) {
      writeFileSync(bad, data);
      await expect(createOnnxDetector(bad)).rejects.toThrow(message);
    }
    await expect(createOnnxDetector(join(dir, 'not-there.onnx'))).rejects.toThrow(
      expect.objectContaining({ code: 'missing-file' }),
    );
  });
});
