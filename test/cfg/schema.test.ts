import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { defaultYaml } from '../../src/cfg/default-yaml.js';
import { cfgFolder, resolveConfig } from '../../src/cfg/load.js';
import { FIXED, FOREIGN, OTHER_NAMES } from '../../src/cfg/names.js';
import { MODES } from '../../src/cfg/option.js';
import { defaultOf, KEYS, keysOf, optionOf } from '../../src/cfg/schema.js';

const file = (name: string): string => readFileSync(`${cfgFolder()}/${name}`, 'utf8');

describe('cfg/default.yaml', () => {
  it('is the option table, written out (else: npm run generate)', () => {
    expect(file('default.yaml')).toBe(defaultYaml());
  });
  it('has every key with a comment, and nothing else', () => {
    const lines = file('default.yaml')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.map((line) => line.split(':')[0])).toEqual(KEYS);
    for (const line of lines) expect(line).toMatch(/^\w+: \S.* # \S.{4}/);
  });
  it.each(MODES)('as cfg=default.yaml changes nothing in %s', (mode) => {
    const bare = resolveConfig(mode, { verbose: false });
    expect(resolveConfig(mode, { verbose: false, cfg: `${cfgFolder()}/default.yaml` })).toEqual(bare);
  });
});

describe('the option table', () => {
  it.each(MODES)('accepts its own defaults in %s', (mode) => {
    for (const key of keysOf(mode)) {
      const value = defaultOf(key, mode) as never;
      expect(optionOf(key).read(value, String(value), mode), key).toEqual(value);
    }
  });
  it('gives each key a mode, a help text that fits a line and a group', () => {
    for (const key of KEYS) {
      const option = optionOf(key);
      expect(option.modes.length, key).toBeGreaterThan(0);
      expect(option.help.length, key).toBeGreaterThan(5);
      expect(option.group, key).not.toBe('');
    }
  });
  it('shares no name with old, fixed and foreign keys', () => {
    for (const name of [...Object.keys(OTHER_NAMES), ...Object.keys(FIXED), ...Object.keys(FOREIGN)]) {
      expect(KEYS).not.toContain(name);
    }
  });
  it('has the defaults that users of the command know', () => {
    expect(resolveConfig('train')).toMatchObject({
      epochs: 100,
      patience: 100,
      batch: 16,
      imgsz: 640,
      save_period: -1,
      cache: false,
      workers: 8,
      exist_ok: false,
      pretrained: true,
      cls_remap: true,
      optimizer: 'auto',
      seed: 0,
      single_cls: false,
      rect: false,
      cos_lr: false,
      close_mosaic: 10,
      resume: false,
      fraction: 1,
      freeze: null,
      multi_scale: 0,
      lr0: 0.01,
      lrf: 0.01,
      momentum: 0.937,
      weight_decay: 0.0005,
      warmup_epochs: 3,
      warmup_momentum: 0.8,
      warmup_bias_lr: 0.1,
      box: 7.5,
      cls: 0.5,
      cls_pw: 0,
      dfl: 1.5,
      nbs: 64,
      hsv_h: 0.015,
      hsv_s: 0.7,
      hsv_v: 0.4,
      degrees: 0,
      translate: 0.1,
      scale: 0.5,
      shear: 0,
      perspective: 0,
      flipud: 0,
      fliplr: 0.5,
      bgr: 0,
      mosaic: 1,
      mixup: 0,
      cutmix: 0,
      val: true,
      plots: true,
    });
    expect(resolveConfig('val')).toMatchObject({
      split: 'val',
      conf: 0.001,
      iou: 0.7,
      max_det: 300,
      rect: true,
      batch: 16,
    });
    expect(resolveConfig('predict')).toMatchObject({
      conf: 0.25,
      iou: 0.7,
      batch: 1,
      rect: true,
      save: true,
      vid_stride: 1,
    });
    expect(resolveConfig('export')).toMatchObject({ batch: 1, dynamic: false, half: false, int8: false, nms: false });
  });
});

describe('cfg/paper.yaml', () => {
  it("gives the article's recipe", () => {
    const config = resolveConfig('train', { cfg: 'paper.yaml', model: 'yolov8n.yaml' });
    expect(config).toMatchObject({
      epochs: 500,
      optimizer: 'SGD',
      batch: 16,
      lr0: 0.1,
      lrf: 0.1,
      momentum: 0.9,
      warmup_epochs: 3,
      warmup_momentum: 0.8,
      warmup_bias_lr: 0.1,
      weight_decay: 0.0005,
      patience: 100,
      imgsz: 640,
      pretrained: false,
    });
    expect(config.nbs / config.batch).toBe(4);
  });
  it('says of each key where the article has it', () => {
    expect(Object.keys(load(file('paper.yaml')) as object).length).toBeGreaterThan(20);
    expect(file('paper.yaml')).toContain('"The model is optimized for 500 epochs');
  });
});
