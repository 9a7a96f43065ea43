import { cpSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labelText } from '../../../src/core/boxes.js';
import { log } from '../../../src/core/log.js';
import { rng } from '../../../src/core/rng.js';
import type { Box, PredictResult } from '../../../src/core/types.js';
import { writeTorch } from '../../../src/export/torch.js';
import { encodeImage } from '../../../src/image/codec.js';
import {
  Interrupted,
  type MergedPrediction,
  type MergedValidation,
  mergeShards,
  type PredictSummary,
  type SourceInput,
  YOLO,
} from '../../../src/index.js';
import { specOf } from '../../../src/nn/weights.js';
import { filesIn } from '../../helpers/files-in.js';
import { writeGif } from '../../helpers/gif.js';
import { liveModel } from '../../helpers/live-model.js';
import { native } from '../../helpers/native.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene } from '../../helpers/white-finder.js';

const dir = tmpDir();
const project = join(dir, 'runs');
const list = join(dir, 'list.txt');
let yolo: YOLO;
let names: string[];
const oldSink = log.setSink({ write: () => {} });
afterAll(() => log.setSink(oldSink));

/** Images of several shapes; of some the names are equal, one cannot be read, one moves. */
beforeAll(async () => {
  await native();
  for (const folder of ['images', 'labels', 'other']) mkdirSync(join(dir, folder));
  const paths: string[] = [];
  for (let i = 0; i < 11; i++) {
    const random = rng(3, i);
    const [width, height] = [64 + 32 * random.int(2), 64 + 32 * random.int(2)];
    const boxes = Array.from({ length: random.int(3) }, (): Box => {
      const [x, y] = [random.int(width - 30), random.int(height - 30)];
      return [x, y, x + 30, y + 12 + random.int(18)];
    });
    const image = scene(width, height, ...boxes);
    for (const folder of ['images', 'other']) {
      const path = join(dir, folder, `${i}${['.png', '.jpg', '.webp'][i % 3]}`);
      writeFileSync(path, await encodeImage(image, (['png', 'jpg', 'webp'] as const)[i % 3]));
      if (folder === 'images' || i % 2) paths.push(path);
    }
  }
  writeFileSync(join(dir, '3.jpg'), 'no image');
  await writeGif(join(dir, '5-2.gif'), [scene(64, 64, [4, 4, 30, 30]), scene(64, 64, [9, 9, 50, 50])]);
  paths.splice(4, 0, join(dir, '3.jpg'), join(dir, '5-2.gif'));
  writeFileSync(list, paths.join('\n'));
  const checkpoint = liveModel();
  names = checkpoint.names;
  const model = join(dir, 'live.pt');
  writeTorch(model, specOf(checkpoint), checkpoint, names, { half: false, version: '0' });
  writeFileSync(join(dir, 'data.yaml'), JSON.stringify({ path: '.', train: 'images', val: 'images', names }));
  yolo = await YOLO.load(model);
  await labelSome();
  return () => yolo.dispose();
});

/** The labels of every other image are some of what the network finds in it. */
async function labelSome(): Promise<void> {
  let i = 0;
  for await (const { path, detections, ...size } of yolo.predict(join(dir, 'images'), { imgsz: 64 })) {
    const rows = i++ % 2 ? [] : detections.filter((_, k) => k % 4 === 0).slice(0, 3);
    const file = path.replace(/images(\D\d+)\.\w+$/, 'labels$1.txt');
    writeFileSync(file, rows.map((row) => labelText(row.class, row.box, size)).join('\n'));
  }
}

const saving = { imgsz: 64, project, save: true, save_txt: true, save_conf: true, save_crop: true, max_det: 5 };

type Options = Parameters<YOLO['predict']>[1];

async function predictAll(options: Options, source: SourceInput = list) {
  const results: PredictResult[] = [];
  const run = yolo.predict(source, { ...saving, ...options });
  for (;;) {
    const { done, value } = await run.next();
    if (done) return { results, summary: value };
    results.push(value);
  }
}

/** Runs all shards of a prediction, the last one first. @returns their folders */
async function predictShards(count: number, options: Options): Promise<string[]> {
  const folders: string[] = [];
  for (let i = count; i >= 1; i--) {
    const { summary } = await predictAll({ ...options, shard: `${i}/${count}` });
    folders.push(summary.saveDir!);
  }
  return folders;
}

async function merged(runs: string[], options = {}): Promise<{ results: PredictResult[]; summary: PredictSummary }> {
  const { results, summary } = (await mergeShards(runs, options)) as MergedPrediction;
  const all: PredictResult[] = [];
  for await (const result of results) all.push(result);
  return { results: all, summary };
}

const timeless = ({ speed: _, ...result }: PredictResult) => result;

describe('predict in shards', () => {
  for (const batch of [1, 4]) {
    describe(`batch=${batch}`, () => {
      let one: Awaited<ReturnType<typeof predictAll>>;
      beforeAll(async () => {
        one = await predictAll({ batch, name: `one-${batch}` });
      });

      it.each([1, 2, 3, 7, 40])('%i merged are one process, byte for byte', async (count) => {
        const folders = await predictShards(count, { batch, name: `all-${batch}-${count}` });
        const { results, summary } = await merged(folders);
        const files = filesIn(summary.saveDir!);
        expect(files.size).toBeGreaterThan(40);
        expect([...files.keys()].filter((name) => name.startsWith('labels/')).length).toBe(one.summary.labels);
        expect(files).toEqual(filesIn(one.summary.saveDir!));
        expect(results.map(timeless)).toEqual(one.results.map(timeless));
        const { images, failed, labels, inputShape, engine } = one.summary;
        expect(summary).toMatchObject({ images, failed, labels, inputShape, engine });
        expect(failed).toHaveLength(1);
      });
    });
  }

  it('each shard has the same work, and its own folder also when two have one name', async () => {
    const parts = await Promise.all(['1/2', '2/2'].map((shard) => predictAll({ shard, name: 'own' })));
    const [a, b] = parts.map(
      ({ results, summary }) => results.length + summary.failed.length - (results.some(({ frame }) => frame) ? 1 : 0),
    );
    expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
    expect(parts.map(({ summary }) => summary.saveDir)).toEqual([
      join(project, 'own-shard-1-of-2'),
      join(project, 'own-shard-2-of-2'),
    ]);
    const again = await predictAll({ shard: '2/2', name: 'own' });
    expect(again.summary.saveDir).toBe(join(project, 'own-shard-2-of-2-2'));
    const over = await predictAll({ shard: '2/2', name: 'own', exist_ok: true });
    expect(over.summary.saveDir).toBe(join(project, 'own-shard-2-of-2'));
    await expect(predictAll({ shard: '2/2', name: 'own', exist_ok: true, conf: 0.5 })).rejects.toMatchObject({
      code: 'shards-differ',
      message: expect.stringContaining('conf=0.25'),
    });
  });

  it('a part that is started again on another machine takes over the folder of a lost process, not of a live one', async () => {
    const again = { shard: '1/2', name: 'lost', exist_ok: true };
    const { saveDir } = (await predictAll(again)).summary;
    const lock = join(saveDir!, '.lock');
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere' }));
    await expect(predictAll(again)).rejects.toMatchObject({ code: 'run-in-use' });
    const before = new Date(Date.now() - 20_000);
    utimesSync(lock, before, before);
    writeFileSync(join(saveDir!, '.results.jsonl.1-0-0.part'), 'of the lost process');
    expect((await predictAll(again)).summary.saveDir).toBe(saveDir);
    expect([...filesIn(saveDir!).keys()].filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('a program that saves nothing gets its part of the results, and no folder', async () => {
    const parts = await Promise.all(
      ['1/2', '2/2'].map((shard) => predictAll({ shard, save: false, save_txt: false, save_crop: false, conf: 0.3 })),
    );
    const whole = await predictAll({ save: false, save_txt: false, save_crop: false, conf: 0.3 });
    expect(parts.map(({ summary }) => summary.saveDir)).toEqual([undefined, undefined]);
    expect(parts.flatMap(({ results }) => results).map(timeless)).toEqual(whole.results.map(timeless));
  });

  it('refuses what has no end', async () => {
    const images = (function* () {
      yield scene(64, 64);
    })();
    for (const source of ['0', 'rtsp://127.0.0.1:9/x', images])
      await expect(predictAll({ shard: '1/2' }, source)).rejects.toMatchObject({ code: 'endless-source' });
  });
});

describe('val in shards', () => {
  const options = {
    imgsz: 64,
    batch: 2,
    save_json: true,
    save_txt: true,
    save_conf: true,
    visualize: true,
    plots: true,
    workers: 0,
    name: 'judged',
  };
  let one: Awaited<ReturnType<YOLO['val']>>;
  const validate = (more: Partial<Parameters<YOLO['val']>[0]>) =>
    yolo.val({ ...options, data: join(dir, 'data.yaml'), ...more });

  beforeAll(async () => {
    one = await validate({ project: join(dir, 'one') });
    expect(one.summary.mAP50).toBeGreaterThan(0);
    expect(one.summary.mAP50).toBeLessThan(1);
  });

  it.each([1, 2, 3, 7])('%i merged give the same figures and files', async (count) => {
    const place = join(dir, `val-${count}`);
    const folders: string[] = [];
    for (let i = 1; i <= count; i++) {
      const { summary, evaluation } = await validate({ project: place, shard: `${i}/${count}` });
      expect(summary).toMatchObject({ shard: `${i}/${count}`, images: evaluation.images });
      folders.push(summary.save_dir!);
    }
    const { summary, evaluation } = (await mergeShards(folders.reverse(), { exist_ok: false })) as MergedValidation;
    const { speed: _, save_dir, ...figures } = summary;
    const { speed: __, save_dir: ___, ...expected } = one.summary;
    expect(figures).toEqual(expected);
    expect({ ...evaluation, speed: 0 }).toEqual({ ...one.evaluation, speed: 0 });
    expect(save_dir).toBe(join(place, 'judged'));
    const [made, whole] = [filesIn(save_dir), filesIn(one.summary.save_dir)];
    expect([...made.keys()]).toEqual([...whole.keys()]);
    for (const [name, bytes] of made)
      if (!['metrics.json', 'report.html', 'args.yaml'].includes(name)) expect(bytes, name).toEqual(whole.get(name));
    const settled = (text = '') => text.replaceAll(place, 'PLACE').replaceAll(join(dir, 'one'), 'PLACE');
    expect(settled(made.get('args.yaml')?.toString())).toBe(settled(whole.get('args.yaml')?.toString()));
    expect(reportText(made, settled)).toBe(reportText(whole, settled));
  });

  it('refuses a dataset that has changed', async () => {
    const own = join(dir, 'changed');
    for (const name of ['images', 'labels']) cpSync(join(dir, name), join(own, name), { recursive: true });
    const data = join(own, 'data.yaml');
    writeFileSync(data, JSON.stringify({ path: '.', train: 'images', val: 'images', names }));
    const { summary } = await validate({ data, project: own, shard: '1/1' });
    writeFileSync(join(own, 'labels/2.txt'), '1 0.5 0.5 0.5 0.5\n');
    await expect(mergeShards(summary.save_dir)).rejects.toMatchObject({ code: 'data-changed' });
  });
});

/** A report without times, peak memory and folders. */
function reportText(files: Map<string, Buffer>, settled: (text?: string) => string): string {
  const page = settled(files.get('report.html')?.toString());
  const measured =
    /\d{4}-\d\d-\d\d[T ][\d:.]+( UTC|Z)|[\d.]+ ms an image|[\d.]+ GiB|(?<=images a second<\/dt><dd>)[\d.]+/g;
  return page.replace(measured, 'MEASURED');
}

describe('merging refuses', () => {
  let folders: string[];
  beforeAll(async () => {
    folders = await predictShards(3, { name: 'refused' });
  });
  const refused = (runs: string | string[], code: string, text: string | RegExp) =>
    expect(mergeShards(runs, { name: 'never' })).rejects.toMatchObject({ code, message: expect.stringMatching(text) });

  /** A copy of a folder whose shard.json is changed. */
  function changed(from: string, change: (manifest: Record<string, never>) => object): string {
    const copy = join(tmpDir(), 'copy');
    cpSync(from, copy, { recursive: true });
    const file = join(copy, 'shard.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...manifest, ...change(manifest) }));
    return copy;
  }

  it('no folders, folders that are missing or not complete', async () => {
    await refused([], 'missing-runs', 'runs');
    await refused([join(dir, 'nowhere')], 'no-shard', 'nowhere');
    await refused(join(dir, 'nowhere-*'), 'no-shard', 'nowhere-*');
    await refused([join(dir, 'images')], 'no-shard', /images is not the complete run folder/);
    const broken = changed(folders[0], () => ({}));
    writeFileSync(join(broken, 'shard.json'), '{"format"');
    await refused([broken], 'broken-shard', 'shard.json');
    await refused([changed(folders[0], () => ({ format: 'other' }))], 'broken-shard', 'shard.json');
  });

  it('shards that are missing, or given twice; one folder twice is one', async () => {
    const [third, second, first] = folders;
    await refused([first, third], 'shard-missing', '1 of 3 shards are missing: 2/3');
    await refused([first, second, changed(second, () => ({})), third], 'shard-twice', /2\/3 is given twice: .* and /);
    const { summary } = await merged([first, second, third, `${first}/`], { name: 'twice' });
    expect(summary.images).toBe(18);
  });

  it.each([
    ['mode', () => ({ mode: 'val' }), 'predict in .*, val in'],
    ['count', () => ({ shard: '1/4' }), 'number of shards 3 in .*, number of shards 4 in'],
    [
      'settings',
      (m: { settings: object }) => ({ settings: { ...m.settings, conf: 0.5 } }),
      'conf=0.25 in .*, conf=0.5 in',
    ],
    ['model', () => ({ model: { name: 'x.pt', sha256: 'abcd' } }), 'model .*live.pt .*model x.pt \\(sha256 abcd'],
    ['data', () => ({ data: { name: 'y', sha256: 'ef' } }), 'data .*list.txt .*data y \\(sha256 ef'],
  ])('another %s', async (_, change, text) => {
    const [third, second, first] = folders;
    await refused([third, second, changed(first, change as never)], 'shards-differ', new RegExp(text));
  });

  it.each([
    [{ version: '9.9.9' }, 'version 9.9.9'],
    [{ format_version: 2 }, 'format 2'],
  ])('another version: %j', async (change, text) => {
    await refused([changed(folders[0], () => change)], 'shard-version', text);
  });

  it('the folder of a shard as its own', async () => {
    const [third, second, first] = folders;
    const place = { project, name: 'refused-shard-1-of-3', exist_ok: true };
    await expect(mergeShards([first, second, third], place)).rejects.toMatchObject({ code: 'same-folder' });
  });

  it('leaves nothing behind when it is stopped', async () => {
    const signal = AbortSignal.abort();
    await expect(mergeShards(folders, { name: 'stopped', signal })).rejects.toBeInstanceOf(Interrupted);
    rmSync(join(project, 'never'), { recursive: true, force: true });
    expect([...filesIn(project).keys()].some((name) => /^(stopped|never)/.test(name))).toBe(false);
  });
});
