import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useWasm } from '../../src/backend/wasm.js';
import { rng } from '../../src/core/rng.js';
import { createDetector } from '../../src/detect/detectors/network.js';
import { createTfjsDetector } from '../../src/detect/detectors/tfjs.js';
import { inferenceGraph, literalOf } from '../../src/export/inference-graph.js';
import { writeTfjs } from '../../src/export/tfjs.js';
import { encodeWeight, inEightBits, type WeightType } from '../../src/export/tfjs-weights.js';
import { halfToFloat } from '../../src/io/half.js';
import { toFile } from '../../src/nn/layout.js';
import { buildNetwork } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { type Arrayish, expectSameOutput } from '../helpers/close.js';
import { pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';
import { loadAsFetched } from '../helpers/tfjs-model.js';
import { tinyModel } from '../helpers/tiny-model.js';
import { tmpDir } from '../helpers/tmp.js';
import { trainedModel } from '../helpers/trained-model.js';

const dir = tmpDir();
const { checkpoint, spec, images, decoded } = trainedModel();
const [B, H, W] = images.shape;
const input = Float32Array.from(images.data, (v) => v / 255);
const names = { ...checkpoint.names };

function write(name: string, weights: WeightType = 'float32'): string {
  const target = join(dir, name);
  const metadata = { names, stride: 32, task: 'detect' };
  writeTfjs(target, spec, checkpoint.weights, { imgsz: [H, W], batch: B, weights, metadata, version: '1' });
  return target;
}

async function outputOf(folder: string, data: Float32Array, shape: [number, number, number, number]) {
  const model = await loadAsFetched(folder);
  const x = tf.tensor4d(data, shape);
  const y = model.execute(x) as tf.Tensor;
  const output = { shape: y.shape, data: await y.data() };
  tf.dispose([x, y]);
  model.dispose();
  return output;
}

beforeAll(native);
afterAll(async () => {
  await tf.setBackend('tensorflow');
});

describe('TensorFlow.js export', () => {
  for (const backend of ['tensorflow', 'wasm'])
    test(`on ${backend}: output0 is what the reference gives, and nothing leaks`, async () => {
      const folder = write('full');
      if (backend === 'wasm') await useWasm(1);
      else await tf.setBackend(backend);
      const before = tf.memory().numTensors;
      const model = await loadAsFetched(folder);
      expect(model.inputs.map(({ name, shape }) => [name, shape])).toEqual([['images', [B, H, W, 3]]]);
      expect(model.metadata).toMatchObject({ names, task: 'detect' });
      const x = tf.tensor4d(input, [B, H, W, 3]);
      const y = model.execute({ images: x }, 'output0') as tf.Tensor;
      expectSameOutput({ shape: y.shape, data: await y.data() }, decoded, { rtol: 1e-4 });
      tf.dispose([x, y]);
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
      await tf.setBackend('tensorflow');
    });

  test('output0 is golden/model eval.decoded', async () => {
    const { file, spec, checkpoint } = tinyModel();
    const { shape, data } = pick(file, 'input');
    const target = join(dir, 'golden');
    const options = { imgsz: [shape[1], shape[2]] as const, batch: shape[0], weights: 'float32' as const };
    writeTfjs(target, spec, checkpoint.weights, { ...options, metadata: {}, version: '1' });
    const got = await outputOf(target, data as Float32Array, shape as [number, number, number, number]);
    expectSameOutput(got, pick(file, 'eval.decoded') as Arrayish, { rtol: 1e-4 });
  });

  for (const [type, bytes, rtol] of [
    ['float16', 2, 0.01],
    ['uint8', 1, 0.05],
  ] as const)
    test(`${type} weights: size and output`, async () => {
      const size = (folder: string) =>
        readdirSync(folder).reduce((n, f) => n + (f.endsWith('.bin') ? statSync(join(folder, f)).size : 0), 0);
      const folder = write(type, type);
      expect(size(folder)).toBeLessThan(size(write('full')) * (bytes / 4 + 0.35)); // a network of so few weights
      expectSameOutput(await outputOf(folder, input, [B, H, W, 3]), decoded, { rtol });
    });

  test('yolov8n with random weights: three shards of at most 4 MB', async () => {
    const n = parseModelYaml('yolov8n.yaml', { nc: 5 });
    const network = buildNetwork(n);
    const weights = new Map(Object.entries(network.init(3)).map(([name, array]) => [name, toFile(array)]));
    const target = join(dir, 'n');
    const metadata = { names: ['a', 'b', 'c', 'd', 'e'] };
    const options = { imgsz: [64, 96] as const, batch: 1, weights: 'float32' as const, metadata, version: '1' };
    const files = writeTfjs(target, n, weights, options);
    const shards = [1, 2, 3].map((i) => `group1-shard${i}of3.bin`);
    expect(files).toEqual(['model.json', ...shards].map((name) => join(target, name)));
    expect(readdirSync(target).sort()).toEqual([...shards, 'model.json']);
    expect(shards.slice(0, 2).map((name) => statSync(join(target, name)).size)).toEqual([4, 4].map((x) => x * 2 ** 20));
    const original = await createDetector({ spec: n, weights, names: metadata.names });
    const exported = await createTfjsDetector(target);
    expect(exported).toMatchObject({ fixedShape: [64, 96], fixedBatch: 1, names: metadata.names, stride: 32 });
    const random = rng(1);
    const bytes = Uint8Array.from({ length: 2 * 64 * 96 * 3 }, () => random.int(256));
    // Two images go through a model of batch 1 one by one.
    expectSameOutput(await exported.infer(bytes, [2, 64, 96]), await original.infer(bytes, [2, 64, 96]), {
      rtol: 1e-5,
    });
    exported.dispose();
    original.dispose();
  });
});

describe('weights', () => {
  const graph = inferenceGraph(spec, checkpoint.weights, { batch: 1, imgsz: [H, W] });
  const random = rng(5);
  const shape = [3, 3, 32, 20];
  const channel = (i: number) => 10 ** ((i % 20) / 4 - 3); // sizes that differ by 10^5
  const values = Float32Array.from({ length: 9 * 32 * 20 }, (_, i) => random.uniform(-1, 1) * channel(i));
  const kernel = { dtype: 'float32' as const, shape, values };

  test('float16: to the nearest of 11 bits', () => {
    const { bytes, entry } = encodeWeight(kernel, 'float16');
    expect(entry.quantization).toEqual({ dtype: 'float16', original_dtype: 'float32' });
    const got = halfToFloat(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
    got.forEach((x, i) => {
      expect(Math.abs(x - values[i])).toBeLessThanOrEqual(Math.max(Math.abs(values[i]) * 2 ** -11, 2 ** -25));
    });
  });

  test('8 bits: no weight moves by more than half a 127th of the largest of its channel; 0 stays 0', () => {
    const node = { name: 'k', op: 'Const', inputs: [], attrs: { value: { tensor: kernel } } };
    const zero = values.indexOf(values[77]);
    values[zero] = 0;
    const { nodes } = inEightBits({ ...graph, nodes: [node] });
    expect(nodes.map(({ name, op }) => [name, op])).toEqual([
      ['k/steps', 'Const'],
      ['k/scale', 'Const'],
      ['k', 'Mul'],
    ]);
    const { bytes, entry } = encodeWeight(literalOf(nodes[0])!, 'uint8');
    const { scale, min } = entry.quantization as { scale: number; min: number };
    const scales = literalOf(nodes[1])!.values;
    const got = Float32Array.from(bytes, (q, i) => (q * scale + min) * scales[i % 20]);
    expect(got[zero]).toBe(0);
    for (let o = 0; o < 20; o++) {
      const own = values.filter((_, i) => i % 20 === o);
      const largest = own.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      const moved = got.filter((_, i) => i % 20 === o).map((x, i) => Math.abs(x - own[i]));
      expect(Math.max(...moved)).toBeLessThanOrEqual((largest / 127 / 2) * (1 + 1e-5));
    }
  });

  test('a channel of zeros, and a kernel too small to count', () => {
    const node = (n: number) => ({
      name: 'k',
      op: 'Const',
      inputs: [],
      attrs: { value: { tensor: { dtype: 'float32' as const, shape: [1, 1, n, 8], values: new Float32Array(n * 8) } } },
    });
    const { nodes } = inEightBits({ ...graph, nodes: [node(1024)] });
    expect([...encodeWeight(literalOf(nodes[0])!, 'uint8').bytes].every((q) => q === 128)).toBe(true);
    expect(inEightBits({ ...graph, nodes: [node(8)] }).nodes).toEqual([node(8)]);
  });
});

describe('createTfjsDetector', () => {
  test('damaged and foreign files are refused', async () => {
    const folder = write('damaged');
    const model = join(folder, 'model.json');
    const good = readFileSync(model, 'utf8');
    const refused = async (text: string, message: RegExp) => {
      writeFileSync(model, text);
      await expect(createTfjsDetector(folder)).rejects.toThrow(
        expect.objectContaining({ name: 'UserError', message: expect.stringMatching(message) }),
      );
    };
    await refused('{', /cannot be read/);
    await refused('{}', /expected a graph-model/);
    await refused(good.replace('"graph-model"', '"layers-model"'), /layers-model/);
    await refused(good.replace('"task":"detect"', '"task":"segment"'), /task 'segment'/);
    await refused(good.replaceAll('"signature"', '"sign"'), /cannot be read/);
    await refused(good.replaceAll('shard1of1', 'shard2of2'), /there is no file/);
    writeFileSync(join(folder, 'group1-shard1of1.bin'), 'short');
    await refused(good, /its shards have 5/);
    const other = write('other');
    const text = readFileSync(join(other, 'model.json'), 'utf8');
    writeFileSync(join(other, 'model.json'), text.replace('"op":"MaxPool"', '"op":"NoSuchOp"'));
    await expect(createTfjsDetector(other)).rejects.toThrow(/cannot be loaded.*NoSuchOp/);
    await expect(createTfjsDetector(join(dir, 'nowhere'))).rejects.toThrow(/there is no file/);
  });
});
