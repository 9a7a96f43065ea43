import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { UserError } from '../../../src/core/errors.js';
import { log } from '../../../src/core/log.js';
import { rng } from '../../../src/core/rng.js';
import { exportModel } from '../../../src/engine/export/exporter.js';
import { loadDetector } from '../../../src/engine/load-detector.js';
import { FORMATS } from '../../../src/export/formats.js';
import { saveCheckpoint } from '../../../src/nn/weights.js';
import { expectSameOutput } from '../../helpers/close.js';
import { native } from '../../helpers/native.js';
import { writeTinyData } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';
import { trainedModel } from '../../helpers/trained-model.js';

const dir = tmpDir();
const model = join(dir, 'tiny.weights');
const NAMES = ['blue', 'red', 'green'];
let data: string;
const run = (options: Record<string, unknown>) =>
  exportModel(resolveConfig('export', { model, imgsz: 64, ...options }));

beforeAll(async () => {
  await native();
  log.setVerbose(false);
  saveCheckpoint(model, { ...trainedModel().checkpoint, names: NAMES });
  data = await writeTinyData(join(dir, 'data'), { train: 1, val: 3 });
  writeFileSync(data, readFileSync(data, 'utf8').replace(/names: .*/, `names: [${NAMES}]`));
});
afterAll(() => log.setVerbose(true));

const random = rng(4);
const bytes = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.int(256));

describe('exported folders', () => {
  for (const options of [
    { format: 'tfjs' },
    { format: 'tfjs', half: true },
    { format: 'tfjs', int8: true },
    { format: 'tfjs', batch: 3 },
    { format: 'saved_model' },
    { format: 'saved_model', half: true, batch: 2 },
  ])
    test(`${JSON.stringify(options)}: compared, and loaded by the folder's name or that of its file`, async () => {
      const { files, verification, imgsz } = await run(options);
      const folder = join(dir, options.format === 'tfjs' ? 'tiny_web_model' : 'tiny_saved_model');
      expect(files[0]).toBe(folder);
      expect(files.every((file) => existsSync(file))).toBe(true);
      expect(imgsz).toEqual([64, 64]);
      expect(verification!.compared).toBeGreaterThanOrEqual(20);
      const original = await loadDetector(model);
      const want = await original.infer(bytes, [1, 64, 64]);
      for (const name of [folder, `${folder}/`, files[1]]) {
        const detector = await loadDetector(name);
        expect(detector).toMatchObject({
          names: NAMES,
          fixedBatch: options.batch ?? 1,
          fixedShape: [64, 64],
        });
        const coarse = options.half || options.int8;
        expectSameOutput(await detector.infer(bytes, [1, 64, 64]), want, { rtol: coarse ? 0.05 : 1e-5 });
        detector.dispose();
      }
      original.dispose();
      await expect(loadDetector(folder, { half: true })).rejects.toThrow(/half=true has no meaning/);
      await expect(exportModel(resolveConfig('export', { model: folder }))).rejects.toThrow(/exported model already/);
    });

  test('int8 with data: the mAP of both', async () => {
    const { cost } = await run({ format: 'tfjs', int8: true, data });
    for (const figures of [cost!.original, cost!.exported])
      expect(Object.keys(figures).sort()).toEqual(['mAP', 'mAP50']);
    expect(Math.abs(cost!.original.mAP50 - cost!.exported.mAP50)).toBeLessThan(0.2);
    expect((await run({ format: 'tfjs', int8: true })).cost).toBeUndefined();
  });

  test('no verification: nothing is written, what lay in the folder stays', async () => {
    const { write, target } = FORMATS.tfjs;
    const folder = join(dir, 'tiny_web_model');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    writeFileSync(join(folder, 'mine.jpg'), 'x');
    FORMATS.tfjs.write = async (job) => {
      const files = await write(job);
      const shard = files.find((file) => file.endsWith('.bin'))!;
      const floats = readFileSync(shard);
      for (let i = 3; i < floats.length; i += 400) floats[i] ^= 0x80; // some signs
      writeFileSync(shard, floats);
      return files;
    };
    try {
      await expect(run({ format: 'tfjs' })).rejects.toThrow(
        expect.objectContaining({ code: 'verification-failed', exitCode: 1 }),
      );
      expect(readdirSync(folder)).toEqual(['mine.jpg']);
    } finally {
      Object.assign(FORMATS.tfjs, { write, target });
    }
  });

  test('over an earlier export: its shards and files go, others stay', async () => {
    const folder = join(dir, 'tiny_web_model');
    mkdirSync(folder, { recursive: true });
    for (const name of ['group1-shard7of9.bin', 'mine.jpg', 'model.json']) writeFileSync(join(folder, name), 'old');
    const { files } = await run({ format: 'tfjs' });
    expect(existsSync(join(folder, 'group1-shard7of9.bin'))).toBe(false);
    expect(readFileSync(join(folder, 'mine.jpg'), 'utf8')).toBe('old');
    expect(readFileSync(files[1], 'utf8')).toContain('graph-model');
    expect(readdirSync(dir).some((name) => name.startsWith('.yolo-'))).toBe(false);
  });

  test('a write that fails half-way leaves what was there, and names the place the user knows', async () => {
    const { write } = FORMATS.saved_model;
    const folder = join(dir, 'tiny_saved_model');
    await run({ format: 'saved_model' });
    const before = readFileSync(join(folder, 'saved_model.pb'));
    FORMATS.saved_model.write = async (job) => {
      const [whole] = await write(job);
      throw new UserError('cannot-write', `cannot write ${whole}`, undefined, 1);
    };
    try {
      await expect(run({ format: 'saved_model', batch: 5 })).rejects.toThrow(`cannot write ${folder}`);
      expect(readFileSync(join(folder, 'saved_model.pb')).equals(before)).toBe(true);
      expect(readdirSync(dir).some((name) => name.startsWith('.yolo-'))).toBe(false);
    } finally {
      FORMATS.saved_model.write = write;
    }
  });

  test('where a file has its name it is left alone', async () => {
    rmSync(join(dir, 'tiny_saved_model'), { recursive: true, force: true });
    writeFileSync(join(dir, 'tiny_saved_model'), 'mine');
    await expect(run({ format: 'saved_model' })).rejects.toThrow(/a file has that name/);
    expect(readFileSync(join(dir, 'tiny_saved_model'), 'utf8')).toBe('mine');
    rmSync(join(dir, 'tiny_saved_model'));
  });

  test('a SavedModel without its variables is refused in words', async () => {
    await run({ format: 'saved_model' });
    rmSync(join(dir, 'tiny_saved_model/variables'), { recursive: true });
    await expect(loadDetector(join(dir, 'tiny_saved_model'))).rejects.toThrow(/there is no file .*variables.index/);
  });

  test('what has no meaning is refused', async () => {
    await expect(run({ format: 'tfjs', half: true, int8: true })).rejects.toThrow(/half=true and int8=true/);
    await expect(run({ format: 'saved_model', int8: true })).rejects.toThrow(/int8=true is not supported/);
    await expect(run({ format: 'tfjs', nms: true })).rejects.toThrow(/nms=true is not supported/);
    await expect(loadDetector(dir)).rejects.toThrow(/neither model.json .* nor saved_model.pb/);
    await expect(run({ format: 'tfjs', data: join(dir, 'none.yaml') })).rejects.toThrow(/none.yaml/);
  });
});
