import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliRun, runCli } from '../helpers/run-cli.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';
import { Call, Global, module, TorchFileWriter } from '../helpers/torch-file.js';

const dir = tmpDir();
const wasm = { YOLO_ENGINE: 'wasm' };
const yolo = (args: string[], node: string[] = []): Promise<CliRun> => runCli(args, { cwd: dir, env: wasm, node });
const predict = (model: string, node?: string[]) =>
  yolo(['predict', `model=${model}`, 'source=images/val/0.png', 'imgsz=64', 'save=false', 'json=true'], node);
const exporting = (...args: string[]) => ['export', 'model=tiny.weights', 'imgsz=64', ...args];

beforeAll(async () => {
  await writeTinyData(dir, { train: 1, val: 1 });
  saveCheckpoint(join(dir, 'tiny.weights'), liveModel());
});

describe('files that are no detection model', () => {
  const heads: [string, string, RegExp][] = [
    [
      'ultralytics.nn.tasks.SegmentationModel',
      'ultralytics.nn.modules.Segment',
      /is a segmentation model .*only detection/,
    ],
    ['ultralytics.nn.tasks.ClassificationModel', 'ultralytics.nn.modules.Classify', /is a classification model/],
  ];
  test.each(heads)('%s of version 8.0.0, which keeps a method or a transform', async (model, head, message) => {
    const writer = new TorchFileWriter();
    const forward = new Call('__builtin__.getattr', [new Global('ultralytics.nn.modules.Detect'), 'forward']);
    const resize = new Call('torchvision.transforms.transforms.Resize', [], { size: 224 });
    const last = module(head, {}, { detect: forward, transforms: resize });
    const root = { model: module(model, { model: module('torch.nn.modules.container.Sequential', { 0: last }) }) };
    writeFileSync(join(dir, 'other.pt'), writer.file(root));
    const { code, stderr } = await predict('other.pt');
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('attack');
    expect(code).toBe(2);
  });

  test('an attribute of anything else is still called what it is', async () => {
    const reach = new Call('__builtin__.getattr', [new Global('collections.OrderedDict'), '__class__']);
    writeFileSync(join(dir, 'hostile.pt'), new TorchFileWriter().file({ model: reach }));
    const { code, stderr } = await predict('hostile.pt');
    expect(stderr).toMatch(/names the Python object 'builtins.getattr'.*\n.*may be an attack/);
    expect(code).toBe(2);
  });

  test('a bare pickle: the advice does not execute it', async () => {
    writeFileSync(join(dir, 'old.pt'), Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'));
    const { code, stderr } = await predict('old.pt');
    expect(stderr).toContain('a bare pickle');
    const calls = stderr.match(/torch\.load\([^)]*\)/g);
    expect(calls).not.toBeNull();
    for (const call of calls!) expect(call).toContain('weights_only=True');
    expect(code).toBe(2);
  });

  test('a damaged safetensors file is called that', async () => {
    const bytes = readFileSync(join(dir, 'tiny.weights'));
    const changed = Buffer.from(bytes);
    changed.fill(0xff, 0, 8);
    const files: [string, Buffer][] = [
      ['first-bytes.safetensors', changed],
      ['short.safetensors', bytes.subarray(0, 5000)],
      ['stub.safetensors', bytes.subarray(0, 6)],
    ];
    for (const [name, data] of files) {
      writeFileSync(join(dir, name), data);
      const { code, stderr } = await predict(name);
      expect(stderr).toMatch(new RegExp(`^ERROR ${name}: .*\\nthe file is damaged or no safetensors file`, 'm'));
      expect(stderr).not.toContain('PyTorch');
      expect(code).toBe(2);
    }
  });
});

test('weights with NaN: predict, val and export say which', async () => {
  const checkpoint = liveModel();
  const name = 'model.2.cv1.conv.weight';
  const { shape, data } = checkpoint.weights.get(name)!;
  checkpoint.weights.set(name, { shape, data: data.map((x, i) => (i === 3 ? Number.NaN : x)) });
  checkpoint.names = ['blue', 'red', 'third'];
  saveCheckpoint(join(dir, 'nan.weights'), checkpoint);
  writeFileSync(join(dir, 'three.yaml'), 'train: images/train\nval: images/val\nnames: [blue, red, third]\n');
  const warning = `WARNING nan.weights is broken: 1 of the ${data.length} numbers of '${name}' are not finite`;
  const predicted = await predict('nan.weights');
  expect(predicted.stderr).toContain(warning);
  expect(JSON.parse(predicted.stdout).detections).toEqual([]);
  const val = await yolo(['val', 'model=nan.weights', 'data=three.yaml', 'imgsz=64', 'plots=false']);
  expect(val.stderr).toContain(warning);
  const exported = await yolo(['export', 'model=nan.weights', 'imgsz=64', 'format=safetensors']);
  expect(exported.stderr).toContain(warning);
  for (const { code, stderr } of [predicted, val, exported]) expect(code, stderr).toBe(0);
});

/** Takes the place of onnxruntime-node's main file, as where its binary does not fit the system. */
const BROKEN_RUNTIME = [
  '--no-warnings',
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(
      "export async function load(url, context, next) {" +
      "  if (!url.includes('/onnxruntime-node/')) return next(url, context);" +
      "  return { format: 'module', shortCircuit: true, source: 'throw new Error(\\"libonnxruntime.so.1: cannot open shared object file\\")' };" +
      "}"));
  `)}`,
];

test('an onnxruntime that is installed but does not load: its own reason is told', async () => {
  const { code, stdout, stderr } = await yolo(exporting('format=onnx', 'json=true'), BROKEN_RUNTIME);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout).verification).toBeNull();
  const reason = /is installed .*but does not load: libonnxruntime\.so\.1: cannot open shared object file/;
  expect(stderr).toMatch(reason);
  const run = await predict('tiny.onnx', BROKEN_RUNTIME);
  expect(run.stderr).toMatch(reason);
  expect(run.stderr).toContain('npm rebuild onnxruntime-node');
  expect(run.code).toBe(1);
});

describe('what a killed export leaves', () => {
  const hidden = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.yolo-'));

  test('SIGKILL while it is at work; the next export removes its folder, and no other', async () => {
    const folder = join(dir, 'killed');
    mkdirSync(folder);
    saveCheckpoint(join(folder, 'tiny.weights'), liveModel());
    await killedExport(folder);
    const [left] = hidden(folder);
    expect(left).toMatch(/^\.yolo-\d+-/);

    const host = hostname().replace(/[^\w.]/g, '_');
    const dead = left.split('-')[1];
    const stay = [
      `.yolo-${process.pid}-${host}-abcdef`,
      `.yolo-${dead}-elsewhere-abcdef`,
      '.yolo-mine',
      `.yolo-${dead}-${host}-ghijkl`,
    ];
    for (const name of stay.slice(0, 3)) mkdirSync(join(folder, name));
    const target = join(folder, 'photos');
    mkdirSync(target);
    writeFileSync(join(target, 'a.jpg'), 'x');
    symlinkSync(target, join(folder, stay[3]));
    const old = `.yolo-${dead}-elsewhere-ghijkl`;
    mkdirSync(join(folder, old));
    utimesSync(join(folder, old), 1e9, 1e9);

    const { code, stderr } = await yolo(['export', 'model=killed/tiny.weights', 'imgsz=64', 'format=safetensors']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`removed ${join('killed', left)}, which a killed process had left`);
    expect(hidden(folder).sort()).toEqual([...stay].sort());
    expect(existsSync(join(target, 'a.jpg'))).toBe(true);
    expect(existsSync(join(folder, 'tiny.safetensors'))).toBe(true);
  });

  /** Ends when its hidden folder is there and it has been killed. */
  async function killedExport(folder: string): Promise<void> {
    const bin = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));
    const args = [bin, 'export', 'model=tiny.weights', 'imgsz=64', 'format=safetensors'];
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...wasm }, stdio: 'ignore' });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
    const timer = setInterval(() => hidden(folder).length > 0 && child.kill('SIGKILL'), 5);
    expect(await ended).toBe('SIGKILL');
    clearInterval(timer);
  }
});

test.runIf(engineReady())('the native engine says the same of weights with NaN', async () => {
  const args = ['val', 'model=nan.weights', 'data=three.yaml', 'imgsz=64', 'plots=false', 'json=true'];
  const { code, stderr } = await runCli(args, { cwd: dir, env: { YOLO_ENGINE: 'tensorflow' } });
  expect(stderr).toContain('WARNING nan.weights is broken');
  expect(code, stderr).toBe(0);
});
