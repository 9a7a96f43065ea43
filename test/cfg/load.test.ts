import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig, wasGiven, withHome } from '../../src/cfg/load.js';
import type { Mode } from '../../src/cfg/option.js';
import { UserError } from '../../src/core/errors.js';
import { type LogSink, log } from '../../src/core/log.js';
import { tmpDir } from '../helpers/tmp.js';

const warned: string[] = [];
let before: LogSink;
beforeEach(() => {
  warned.length = 0;
  before = log.setSink({ write: (level, text) => void (level === 'warn' && warned.push(text)) });
});
afterEach(() => void log.setSink(before));

function errorOf(run: () => unknown): UserError {
  try {
    run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function yaml(text: string): string {
  const path = join(tmpDir(), 'my.yaml');
  writeFileSync(path, text);
  return path;
}

describe('resolveConfig', () => {
  it.each<[Mode, Record<string, unknown>, Record<string, unknown>]>([
    [
      'train',
      { epochs: '1e2', lr0: '1e-3', save: 'False', cache: 'RAM' },
      { epochs: 100, lr0: 0.001, save: false, cache: 'ram' },
    ],
    ['train', { cache: 'true', freeze: '10', batch: '-1' }, { cache: 'ram', freeze: 10, batch: -1 }],
    ['train', { freeze: '[0, 2]', classes: '3', time: 'none' }, { freeze: [0, 2], classes: [3], time: null }],
    [
      'train',
      { optimizer: 'sgd', multi_scale: 'true', resume: 'a/last.safetensors' },
      { optimizer: 'SGD', multi_scale: 0.5, resume: 'a/last.safetensors' },
    ],
    ['train', { imgsz: '[320,640]' }, { imgsz: 640 }],
    [
      'predict',
      { imgsz: '320,640', classes: '[0,2]', source: '0' },
      { imgsz: [320, 640], classes: [0, 2], source: '0' },
    ],
    ['predict', { source: "'a b.jpg'", name: '12', device: 'CPU' }, { source: 'a b.jpg', name: '12', device: 'cpu' }],
    ['predict', { source: '-', conf: 'none', device: 'none' }, { source: '-', conf: 0.25, device: 'auto' }],
    ['predict', { source: 'none', model: 'x.onnx' }, { source: null, model: 'x.onnx' }],
    ['predict', { imgsz: [32, 64], conf: 0.5, classes: undefined }, { imgsz: [32, 64], conf: 0.5, classes: null }],
    ['export', { format: 'ONNX', opset: '17' }, { format: 'onnx', opset: 17 }],
    ['convert', { format: 'voc' }, { format: 'voc', model: null }],
    ['benchmark', { what: 'predict' }, { what: 'predict', conf: 0.25, batch: 1, rect: true, model: 'yolov8n.pt' }],
    ['benchmark', { what: 'step' }, { what: 'step', conf: 0.001, batch: 16, model: 'yolov8n.yaml' }],
    ['show', { what: 'assign' }, { what: 'assign' }],
    ['report', { runs: ['a', 'b'] }, { runs: ['a', 'b'] }],
    ['train', { simplify: 'True', task: 'detect', copy_paste: '0.0' }, { task: 'detect' }],
  ])('%s %j → %j', (mode, overrides, want) => {
    expect(resolveConfig(mode, overrides)).toMatchObject(want);
  });

  it.each<[Mode, Record<string, unknown>, RegExp]>([
    ['train', { epoch: '3' }, /^'epoch' is not a valid argument\. Similar: epochs$/],
    ['train', { qqqqqq: '3' }, /^'qqqqqq' is not a valid argument$/],
    ['train', { toString: '3' }, /^'toString' is not a valid argument/],
    ['train', { epochs: 'abc' }, /^'epochs=abc' is not allowed: epochs takes an integer of at least 1$/],
    ['train', { epochs: '0' }, /epochs takes an integer of at least 1/],
    ['train', { epochs: '1.5' }, /epochs takes an integer/],
    ['train', { epochs: 'none' }, /'epochs=none' is not allowed/],
    ['train', { epochs: 'true' }, /'epochs=true' is not allowed/],
    ['train', { epochs: '9007199254740993' }, /epochs takes an integer/],
    ['train', { imgsz: '-1' }, /'imgsz=-1' is not allowed: imgsz takes an integer from 32 to 8192/],
    ['train', { imgsz: '20000' }, /'imgsz=20000' is not allowed: imgsz takes an integer from 32 to 8192/],
    ['predict', { imgsz: '[320,1e9]' }, /is not allowed: imgsz takes an integer from 32 to 8192/],
    ['train', { imgsz: '[1,2,3]' }, /'imgsz=\[1,2,3\]' is not allowed/],
    ['train', { imgsz: '[320' }, /'imgsz=\[320' cannot be read: the bracket \[ is not closed/],
    ['val', { batch: '-1' }, /batch takes an integer of at least 1/],
    ['val', { conf: '1.5' }, /'conf=1.5' is not allowed: conf takes a number from 0 to 1$/],
    ['val', { conf: 'nan' }, /'conf=nan' is not allowed/],
    ['val', { conf: Number.NaN }, /'conf=NaN' is not allowed/],
    ['val', { data: '' }, /^'data=' has no value$/],
    ['val', { plots: 'maybe' }, /plots takes true or false/],
    ['val', { split: 'valid' }, /split takes one of train, val, test/],
    ['val', { data: { a: 1 } }, /'data' is a map, not a value/],
    ['train', { conf: '', data: 'x' }, /^'conf=' has no value$/],
    ['train', { cfg: '' }, /^'cfg=' has no value$/],
    ['export', { simplify: 'false' }, /only simplify=true/],
    ['train', { task: 'segment' }, /only task=detect/],
    ['train', { copy_paste: '0.5' }, /only copy_paste=0: it needs segmentation masks/],
    ['train', { batch_size: '4' }, /^'batch_size' is not a valid argument\. Here it is called batch$/],
    ['predict', { conf_thres: '0.4' }, /Here it is called conf$/],
    ['predict', { weights: 'a.pt' }, /Here it is called model$/],
    ['predict', { end2end: 'true' }, /'end2end=true' is not supported.*nms=true/],
    ['predict', { hide_labels: '7' }, /'hide_labels=7' is not allowed/],
    ['export', { quantize: '4' }, /'quantize=4' is not allowed: quantize takes 16/],
  ])('%s refuses %j', (mode, overrides, message) => {
    const error = errorOf(() => resolveConfig(mode, overrides));
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(2);
  });

  it('tells what to do instead of a format that is not written', () => {
    expect(errorOf(() => resolveConfig('export', { format: 'engine' })).hint).toMatch(/format=onnx/);
  });

  it.each<[Mode, Record<string, unknown>, Record<string, unknown>]>([
    ['predict', { hide_labels: 'true' }, { show_labels: false }],
    ['predict', { hide_conf: 'True' }, { show_conf: false }],
    ['predict', { line_thickness: '3' }, { line_width: 3 }],
    ['predict', { boxes: 'false' }, { show_boxes: false }],
    ['export', { quantize: '16' }, { half: true, int8: false }],
    ['export', { quantize: '8' }, { half: false, int8: true }],
    ['train', { label_smoothing: '0.1' }, { cls: 0.5 }],
  ])('%s takes the other name %j with a warning', (mode, overrides, want) => {
    expect(resolveConfig(mode, overrides)).toMatchObject(want);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain(Object.keys(overrides)[0]);
  });

  it.each<[Mode, Record<string, unknown>, RegExp]>([
    [
      'train',
      { half: 'true' },
      /^'half' is not used by train, only by val, predict, track, export, benchmark; it is ignored$/,
    ],
    ['predict', { epochs: '3' }, /^'epochs' is not used by predict/],
    ['train', { mask_ratio: '4' }, /^'mask_ratio' belongs to segmentation and has no effect in detection/],
    ['train', { dropout: '0.5' }, /^'dropout' belongs to classification/],
    ['val', { tracker: 'botsort.yaml' }, /^'tracker' is not used by val, only by track/],
  ])('%s passes %j over with a warning', (mode, overrides, message) => {
    const bare = resolveConfig(mode, { model: 'a.pt' });
    expect(resolveConfig(mode, { model: 'a.pt', ...overrides })).toEqual(bare);
    expect(warned).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    ['True', 'auto'],
    ['auto', 'auto'],
    ['bf16', 'bf16'],
    ['False', false],
    ['fp32', false],
  ])('amp=%s is %s', (amp, value) => {
    expect(resolveConfig('train', { model: 'a.pt', amp }).amp).toBe(value);
  });

  it('is frozen and holds every key', () => {
    const config = resolveConfig('val');
    expect(Object.isFrozen(config)).toBe(true);
    expect(config).toHaveProperty('epochs', 100);
  });

  it('knows which keys the user chose, through a spread, and keeps that out of JSON', () => {
    const cfg = yaml('lr0: 0.01\nmomentum: 0.8\n');
    const config = { ...resolveConfig('train', { cfg, epochs: '100' }) };
    expect([wasGiven(config, 'epochs'), wasGiven(config, 'momentum'), wasGiven(config, 'lr0')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(JSON.stringify(config)).not.toContain('given');
  });
});

describe('cfg files', () => {
  it('lie over the defaults and under what is given', () => {
    const cfg = yaml('epochs: 7\nbatch: 4\n');
    expect(resolveConfig('train', { cfg, batch: '8' })).toMatchObject({ epochs: 7, batch: 8, imgsz: 640 });
    expect(resolveConfig('train', {}, { cfgFile: cfg })).toMatchObject({ epochs: 7, batch: 4 });
  });
  it('may hold keys of other modes and tasks, and the arguments of a run', () => {
    const cfg = yaml(
      'task: detect\nmode: train\nepochs: 7\nmask_ratio: 4\nsave_dir: x\ntracker: t.yaml\nconf: null\nnms: null\nlr0: 1e-3\nsave: True\ncache: None\n',
    );
    expect(resolveConfig('predict', { cfg })).toMatchObject({ mode: 'predict', conf: 0.25, save: true });
    expect(resolveConfig('train', { cfg })).toMatchObject({ epochs: 7, lr0: 0.001, cache: false });
  });
  it.each([
    ['epoch: 7', /^'epoch' is not a valid argument \(in .*my\.yaml\)\. Similar: epochs$/],
    ['epochs: many', /^'epochs=many' is not allowed: epochs takes an integer of at least 1 \(in .*my\.yaml\)$/],
    ['epochs: {a: 1}', /'epochs' is a map/],
    ['a: 1\nb: [1, 2', /my\.yaml, line 2: not valid YAML/],
    ['- 1\n- 2', /should hold keys such as epochs and imgsz/],
    ['just words', /should hold keys such as epochs and imgsz/],
    ['epochs: 1\nepochs: 2', /line 2: not valid YAML: duplicated/],
    ['path: x\ntrain: a\nnames: [a]', /'path' is not a valid argument/],
  ])('%j is refused', (text, message) => {
    expect(errorOf(() => resolveConfig('train', { cfg: yaml(text) })).message).toMatch(message);
  });
  it('may be empty or comments only', () => {
    expect(resolveConfig('train', { cfg: yaml('') }).epochs).toBe(100);
    expect(resolveConfig('train', { cfg: yaml('# nothing\n\n') }).epochs).toBe(100);
    expect(resolveConfig('train', { cfg: 'none' }).epochs).toBe(100);
  });
  it('that are missing are named', () => {
    expect(errorOf(() => resolveConfig('train', { cfg: 'missing.yaml' })).message).toBe(
      'cfg=missing.yaml: there is no such file',
    );
  });
  it('that are a folder are named', () => {
    expect(errorOf(() => resolveConfig('train', { cfg: tmpDir() })).message).toMatch(/cannot be read/);
  });
  it('that are a dataset say so', () => {
    expect(errorOf(() => resolveConfig('train', { cfg: yaml('nc: 2\nnames: [a, b]') })).hint).toMatch(
      /looks like a dataset/,
    );
  });
});

describe('~', () => {
  it('means the home folder before a separator of the system', () => {
    expect(withHome('~/a/b', 'linux')).toBe(join(homedir(), 'a/b'));
    expect(withHome('~\\a', 'linux')).toBe('~\\a');
    expect(withHome('~\\a', 'win32')).toBe(join(homedir(), 'a'));
    expect(withHome('~a', 'win32')).toBe('~a');
  });
});
