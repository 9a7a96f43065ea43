import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { log } from '../../../src/core/log.js';
import { exportModel } from '../../../src/engine/export/exporter.js';
import { FORMATS } from '../../../src/export/formats.js';
import { readOnnxHeader } from '../../../src/io/onnx-file.js';
import { readSafetensors } from '../../../src/io/safetensors.js';
import { loadCheckpoint, saveCheckpoint, specOf } from '../../../src/nn/weights.js';
import { tmpDir } from '../../helpers/tmp.js';
import { trainedModel } from '../../helpers/trained-model.js';

const dir = tmpDir();
const model = join(dir, 'tiny.weights');
const { checkpoint, spec } = trainedModel();
const run = (options: Record<string, unknown>) =>
  exportModel(resolveConfig('export', { model, imgsz: 96, ...options }));

beforeAll(() => {
  saveCheckpoint(model, checkpoint);
  log.setVerbose(false);
});
afterAll(() => log.setVerbose(true));

describe('exportModel', () => {
  for (const options of [{}, { dynamic: true }, { half: true }, { batch: 2, opset: 15 }, { imgsz: [64, 100] }]) {
    test(`onnx ${JSON.stringify(options)}: written beside the model, and compared`, async () => {
      const got = await run(options);
      expect(got).toMatchObject({
        format: 'onnx',
        files: [join(dir, 'tiny.onnx')],
        imgsz: 'imgsz' in options ? [64, 128] : [96, 96],
      });
      expect(got.verification!.compared).toBeGreaterThanOrEqual(20);
      expect(got.verification!.max_abs_diff).toBeLessThan('half' in options ? 2 : 0.01);
      expect(readOnnxHeader(got.files[0]).metadata.names).toContain('it');
      expect(readdirSync(dir).sort()).toEqual(['tiny.onnx', 'tiny.weights']);
    });
  }

  test('onnx with nms: detections are compared although the network is sure of nothing', async () => {
    const got = await run({ nms: true, conf: 0.9999 });
    expect(got.verification!.compared).toBeGreaterThan(0);
    expect(got.verification!.max_abs_diff).toBeLessThan(0.01);
    expect(readdirSync(dir).sort()).toEqual(['tiny.onnx', 'tiny.weights']);
    expect(readOnnxHeader(got.files[0]).metadata.args).toContain("'nms': True");
  });

  test('safetensors, and with half: the same network, names and class count', async () => {
    for (const half of [false, true]) {
      const got = await run({ format: 'safetensors', half });
      const again = await loadCheckpoint(got.files[0]);
      expect(again.names).toEqual(checkpoint.names);
      expect(specOf(again).nc).toBe(spec.nc);
      expect([...again.weights.keys()].sort()).toEqual([...checkpoint.weights.keys()].sort());
      expect(readSafetensors(got.files[0]).tensors.get('model.0.conv.weight')!.dtype).toBe(half ? 'F16' : 'F32');
    }
    const out = join(dir, 'tiny.safetensors');
    const before = readFileSync(out);
    const again = await exportModel(resolveConfig('export', { model: out, format: 'safetensors' }));
    expect(again.files).toEqual([join(dir, 'tiny_weights.safetensors')]);
    expect(readFileSync(out).equals(before)).toBe(true);
    rmSync(again.files[0]);
    rmSync(out);
  });

  for (const format of ['safetensors', 'torch'])
    test(`${format}: a checkpoint that has the name of the export is left alone, an earlier export is replaced`, async () => {
      const theirs = join(dir, format === 'torch' ? 'tiny.pt' : 'tiny.safetensors');
      saveCheckpoint(theirs, checkpoint);
      const before = readFileSync(theirs);
      for (const half of [false, true]) {
        const { files } = await run({ format, half });
        expect(files).toEqual([theirs.replace('tiny', 'tiny_weights')]);
        expect((await loadCheckpoint(files[0])).names).toEqual(checkpoint.names);
      }
      expect(readFileSync(theirs).equals(before)).toBe(true);
      rmSync(theirs);
    });

  test('torch: names, description and training arguments come back; what PyTorch asks for is there', async () => {
    const { files } = await run({ format: 'torch' });
    const again = await loadCheckpoint(files[0]);
    expect(again.names).toEqual(checkpoint.names);
    expect(specOf(again).yaml).toEqual(specOf(checkpoint).yaml);
    expect(again.info.license).toBe('of the weights');
    const state = [...again.weights.keys(), ...again.counters!.keys()];
    expect(state).toContain(`model.${spec.head.index}.dfl.conv.weight`);
    const norms = state.filter((name) => name.endsWith('running_var'));
    expect([...again.counters!.keys()].sort()).toEqual(
      norms.map((name) => name.replace('running_var', 'num_batches_tracked')).sort(),
    );
  });

  test('an export that does not agree is not written, with exit code 1; an earlier one stays', async () => {
    const { write } = FORMATS.onnx;
    const before = readFileSync((await run({})).files[0]);
    FORMATS.onnx.write = (job) => {
      const weights = new Map(job.checkpoint.weights);
      for (const level of job.spec.strides.keys()) {
        const name = `model.${job.spec.head.index}.cv2.${level}.2.bias`;
        const { shape, data } = weights.get(name)!;
        weights.set(name, { shape, data: data.map((x, i) => x + (i % 16)) });
      }
      return write({ ...job, checkpoint: { ...job.checkpoint, weights } });
    };
    try {
      await expect(run({})).rejects.toThrow(expect.objectContaining({ code: 'verification-failed', exitCode: 1 }));
      expect(readFileSync(join(dir, 'tiny.onnx')).equals(before)).toBe(true);
      rmSync(join(dir, 'tiny.onnx'));
      await expect(run({})).rejects.toThrow(/nothing was written/);
      expect(existsSync(join(dir, 'tiny.onnx'))).toBe(false);
    } finally {
      FORMATS.onnx.write = write;
    }
  });

  test('settings without meaning for the format, other formats and exported models are refused', async () => {
    await expect(run({ format: 'safetensors', nms: true })).rejects.toThrow(
      /nms=true is not supported by format=safetensors/,
    );
    await expect(run({ int8: true })).rejects.toThrow(/int8=true is not supported by format=onnx/);
    await run({});
    await expect(exportModel(resolveConfig('export', { model: join(dir, 'tiny.onnx') }))).rejects.toThrow(
      /exported model already/,
    );
  });
});
