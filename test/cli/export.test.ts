import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { rng } from '../../src/core/rng.js';
import type { Detection, NamedArray } from '../../src/core/types.js';
import type { ExportResult } from '../../src/engine/export/exporter.js';
import { encodeImage } from '../../src/image/codec.js';
import { floatToHalf } from '../../src/io/half.js';
import type { TorchTensor } from '../../src/io/torch-names.js';
import { openTorchFile } from '../../src/io/torch-pt.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';
import { Call, TorchFileWriter, Tuple } from '../helpers/torch-file.js';

/** What an export may move a detection by. */
interface Tolerance {
  confidence: number;
  /** Pixels. */
  box: number;
}

const EXACT: Tolerance = { confidence: 1e-3, box: 0.05 };
const HALF: Tolerance = { confidence: 2e-2, box: 1 };

const dir = tmpDir();
const image = join(dir, 'image.png');
const native = engineReady();

beforeAll(async () => {
  const checkpoint = liveModel();
  saveCheckpoint(join(dir, 'tiny.weights'), checkpoint);
  const random = rng(7);
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.int(256));
  await writeFile(image, await encodeImage({ data, width: 64, height: 64 }, 'png'));
});

/** @param engine value of YOLO_ENGINE */
async function yolo(engine: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli([...args, 'json=true'], { cwd: dir, env: { YOLO_ENGINE: engine } });
  expect(code, stderr).toBe(0);
  expect(stderr).not.toMatch(/WARNING|ERROR/);
  return stdout;
}

async function detections(engine: string, model: string): Promise<Detection[]> {
  const args = ['predict', `model=${model}`, 'source=image.png', 'imgsz=64', 'conf=0.1', 'save=false', 'rect=false'];
  const [line] = (await yolo(engine, args)).split('\n');
  return (JSON.parse(line) as { detections: Detection[] }).detections;
}

/** Everything that the original is sure of, the export finds, too. */
function expectSame(got: Detection[], want: Detection[], { confidence, box }: Tolerance): void {
  const sure = want.filter((w) => w.confidence > 0.1 + confidence);
  expect(sure.length).toBeGreaterThan(5);
  for (const w of sure) {
    const near = got.find(
      (g) =>
        g.class === w.class &&
        g.name === w.name &&
        Math.abs(g.confidence - w.confidence) <= confidence &&
        g.box.every((x, i) => Math.abs(x - w.box[i]) <= box),
    );
    expect(near, `${w.name} ${w.confidence} at ${w.box}`).toBeDefined();
  }
}

/** What torch.save gives for a state dict of halves with counters, and a description of the network. */
function checkpointWithCounters(): Buffer {
  const writer = new TorchFileWriter();
  const half = ({ shape, data }: NamedArray) => writer.tensor('torch.HalfStorage', floatToHalf(data), shape);
  const { weights, yaml } = liveModel();
  const dict = new Map<string, unknown>();
  for (const [name, array] of weights) {
    dict.set(name, half(array));
    if (!name.endsWith('running_var')) continue;
    const counter = name.replace('running_var', 'num_batches_tracked');
    dict.set(counter, writer.tensor('torch.LongStorage', BigInt64Array.of(2n ** 24n + 1n), []));
  }
  return writer.file(new Call('collections.OrderedDict', [[...dict].map((pair) => new Tuple(...pair))], { yaml }));
}

/** Number type and value of every tensor. */
function tensorsOf(path: string): Map<string, string> {
  const file = openTorchFile(path);
  const entries = [...(file.root as Map<string, TorchTensor>)].map(([name, tensor]): [string, string] => [
    name,
    `${tensor.dtype} ${tensor.shape.length ? Buffer.from(file.read(tensor).data.buffer).toString('base64') : file.readScalar(tensor)}`,
  ]);
  file.close();
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `predicts`: the export is run by `yolo predict`, too, on a square of 64 pixels. */
type Row = [engine: string, options: string, predicts?: Tolerance];

const rows: Row[] = [
  ['tensorflow', 'format=onnx'],
  ['tensorflow', 'format=onnx half=true dynamic=true opset=13 imgsz=96', HALF],
  ['tensorflow', 'format=onnx nms=true conf=0.1 iou=0.7', EXACT],
  ['tensorflow', 'format=onnx nms=true half=true batch=2 imgsz=64,96'],
  ['tensorflow', 'format=tfjs', EXACT],
  ['tensorflow', 'format=tfjs half=true batch=2 imgsz=96'],
  ['tensorflow', 'format=tfjs int8=true'],
  ['tensorflow', 'format=saved_model', EXACT],
  ['tensorflow', 'format=saved_model half=true batch=2 imgsz=64,96'],
  ['tensorflow', 'format=safetensors'],
  ['tensorflow', 'format=safetensors half=true', HALF],
  ['tensorflow', 'format=torch half=true', HALF],
  ['wasm', 'format=torch'],
  ['wasm', 'format=onnx half=true opset=18 batch=2'],
  ['wasm', 'format=tfjs half=true', HALF],
  ['wasm', 'format=safetensors'],
  ['wasm', 'format=safetensors half=true'],
];

describe('yolo export, in a process of its own', () => {
  let original: Detection[];

  beforeAll(async () => {
    original = await detections('wasm', 'tiny.weights');
  });

  test.each(rows.filter(([engine]) => native || engine === 'wasm'))('%s: %s', async (engine, options, tolerance) => {
    const args = ['export', 'model=tiny.weights', ...(options.includes('imgsz') ? [] : ['imgsz=64'])];
    const { files, verification } = JSON.parse(await yolo(engine, [...args, ...options.split(' ')])) as ExportResult;
    expect(files.every((file) => existsSync(join(dir, file)))).toBe(true);
    expect(verification!.compared).toBeGreaterThan(0);
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
    if (tolerance) expectSame(await detections(engine, files[0]), original, tolerance);
  });

  test('.pt to .pt: every tensor is the same, bit by bit, and no checkpoint is written over', async () => {
    const from = join(dir, 'source.pt');
    writeFileSync(from, checkpointWithCounters());
    for (const model of ['source.pt', 'source_weights.pt']) {
      const args = ['export', `model=${model}`, 'format=torch', 'imgsz=64', 'half=true'];
      const { files } = JSON.parse(await yolo('wasm', args)) as ExportResult;
      expect(files).toEqual([model.replace('.pt', '_weights.pt')]);
      const [want, got] = [tensorsOf(from), tensorsOf(join(dir, files[0]))];
      expect(got).toEqual(want);
      expect(got.get('model.0.bn.num_batches_tracked')).toBe('I64 16777217');
    }
  });

  test('wasm: a SavedModel is written, and it is said that nothing here can run it', async () => {
    const args = ['export', 'model=tiny.weights', 'format=saved_model', 'imgsz=64', 'half=true', 'json=true'];
    const { code, stdout, stderr } = await runCli(args, { cwd: dir, env: { YOLO_ENGINE: 'wasm' } });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('WARNING the export was not compared with the original');
    expect((JSON.parse(stdout) as ExportResult).verification).toBeNull();
  });
});
