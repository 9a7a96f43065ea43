import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { Interrupted } from '../../../src/core/errors.js';
import { log } from '../../../src/core/log.js';
import type { PredictResult, RgbImage } from '../../../src/core/types.js';
import type { PredictRunOptions, PredictSummary, ResultPlace } from '../../../src/engine/predict/observer.js';
import { crop } from '../../../src/engine/predict/output.js';
import { describeDetections, predict } from '../../../src/engine/predict/predictor.js';
import { createRunDir } from '../../../src/engine/run-dir.js';
import { decodeImage, encodeAnimation, encodeImage, readImageSize } from '../../../src/image/codec.js';
import { hasFfmpeg } from '../../../src/image/ffmpeg.js';
import { createVideo } from '../../../src/image/video.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene, WhiteFinder } from '../../helpers/white-finder.js';

async function all(options: Record<string, unknown>, hooks: PredictRunOptions) {
  const config = resolveConfig('predict', { model: 'white', save: false, ...options });
  const results: PredictResult[] = [];
  const generator = predict(config, hooks);
  for (;;) {
    const { done, value } = await generator.next();
    if (done) return { results, summary: value as PredictSummary };
    results.push(value);
  }
}

async function folderOf(files: Record<string, RgbImage | string>): Promise<string> {
  const dir = tmpDir();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    const bytes = typeof content === 'string' ? content : await encodeImage(content, 'png');
    writeFileSync(join(dir, name), bytes);
  }
  return dir;
}

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(dir.length + 1))
    .sort();

describe('predict', () => {
  it('brings boxes back to the pixels of each image, whatever its shape', async () => {
    const detector = new WhiteFinder();
    const source = [
      scene(200, 100, [40, 20, 120, 60]),
      scene(50, 300, [5, 30, 45, 150]),
      scene(640, 640, [0, 0, 64, 640]),
    ];
    for (const rect of [true, false]) {
      const { results, summary } = await all({ rect, imgsz: 320 }, { source, detector });
      const boxes = results.map((r) => r.detections[0].box);
      const want = [
        [40, 20, 120, 60],
        [5, 30, 45, 150],
        [0, 0, 64, 640],
      ];
      boxes.forEach((box, i) => {
        // One pixel of the network's input is up to 2 of the image.
        box.forEach((v, k) => {
          expect(Math.abs(v - want[i][k])).toBeLessThan(2.1);
        });
      });
      expect(summary).toMatchObject({ images: 3, failed: [], engine: 'by hand' });
    }
    expect(detector.shapes).toEqual([
      [1, 160, 320],
      [1, 320, 64],
      [1, 320, 320],
      [1, 320, 320],
      [1, 320, 320],
      [1, 320, 320],
    ]);
    expect(detector.disposed).toBe(0);
  });

  it('batches: alike images are padded little, different ones to the square; the last batch is smaller', async () => {
    const detector = new WhiteFinder();
    const wide = scene(100, 50, [10, 10, 30, 30]);
    const source = [wide, wide, wide, scene(50, 100, [1, 1, 9, 9]), wide];
    const places: ResultPlace[] = [];
    const onResult = (_: unknown, place: ResultPlace) => void places.push(place);
    const { results } = await all({ batch: 2, imgsz: 64 }, { source, detector, observers: [{ onResult }] });
    expect(detector.shapes).toEqual([
      [2, 32, 64],
      [2, 64, 64],
      [1, 32, 64],
    ]);
    expect(results.map((r) => r.path)).toEqual(['image0', 'image1', 'image2', 'image3', 'image4']);
    expect(results.every((r) => r.detections.length === 1)).toBe(true);
    expect(places[3]).toMatchObject({ source: 4, sources: 5, kind: 'image', inputShape: [64, 64] });
  });

  it('a model of fixed batch and shape gets what it insists on', async () => {
    const detector = new WhiteFinder(4, [96, 64]);
    const { results } = await all({ imgsz: 320 }, { source: [scene(100, 50, [10, 10, 30, 30])], detector });
    expect(detector.shapes).toEqual([[4, 96, 64]]);
    expect(results).toHaveLength(1);
  });

  it('imgsz as n or [h,w], rounded up to the stride', async () => {
    const detector = new WhiteFinder();
    const source = scene(100, 100, [10, 10, 30, 30]);
    const old = log.setSink({ write: () => {} });
    await all({ imgsz: 100, rect: false }, { source, detector });
    await all({ imgsz: [64, 130], rect: false }, { source, detector });
    log.setSink(old);
    expect(detector.shapes).toEqual([
      [1, 128, 128],
      [1, 64, 160],
    ]);
  });

  it('a broken image among good ones is named, the others are predicted', async () => {
    const good = scene(64, 64, [10, 10, 30, 30]);
    const dir = await folderOf({ 'a.png': good, 'b.png': 'broken', 'c.png': good });
    const lines: string[] = [];
    const old = log.setSink({ write: (_, text) => lines.push(text) });
    const { results, summary } = await all({ source: dir, imgsz: 64, batch: 2 }, { detector: new WhiteFinder() });
    log.setSink(old);
    expect(results.map((r) => r.path)).toEqual([join(dir, 'a.png'), join(dir, 'c.png')]);
    expect(summary.failed).toEqual([{ path: join(dir, 'b.png'), reason: expect.stringContaining('b.png') }]);
    expect(lines.filter((line) => line.includes('b.png'))).toHaveLength(1);
  });

  it('nothing found, images of 1x1 and slivers', async () => {
    const source = [scene(1, 1, [0, 0, 0, 0]), scene(3000, 1, [0, 0, 0, 0])];
    const { results } = await all({ imgsz: 64 }, { source, detector: new WhiteFinder() });
    expect(results.map((r) => r.detections)).toEqual([[], []]);
    expect(describeDetections(results[0])).toBe('(no detections)');
  });

  it('classes, conf and a missing source', async () => {
    const source = scene(64, 64, [10, 10, 30, 30]);
    const count = async (options: Record<string, unknown>): Promise<number> =>
      (await all({ imgsz: 64, ...options }, { source, detector: new WhiteFinder() })).results[0].detections.length;
    expect([await count({}), await count({ classes: [1] }), await count({ conf: 0.95 })]).toEqual([1, 0, 0]);
    await expect(all({}, { detector: new WhiteFinder() })).rejects.toMatchObject({ code: 'missing-source' });
  });

  it('stops after the batch at work when it is told to', async () => {
    const controller = new AbortController();
    const source = Array.from({ length: 9 }, () => scene(32, 32, [1, 1, 9, 9]));
    const config = resolveConfig('predict', { model: 'white', save: false, imgsz: 32 });
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const { path } of predict(config, {
          source,
          detector: new WhiteFinder(),
          signal: controller.signal,
        })) {
          if (seen.push(path) === 3) controller.abort();
        }
      })(),
    ).rejects.toBeInstanceOf(Interrupted);
    expect(seen).toHaveLength(3);
  });
});

describe('what prediction writes', () => {
  const blank = scene(200, 100, [40, 20, 120, 60]);

  it('images, labels with confidence, crops; two images of one name do not overwrite each other', async () => {
    const dir = await folderOf({
      'one/x.png': blank,
      'two/x.png': blank,
      'two/empty.png': scene(20, 20, [0, 0, 0, 0]),
    });
    const project = tmpDir();
    const options = { save: true, save_txt: true, save_conf: true, save_crop: true, project, imgsz: 320 };
    const { summary } = await all(
      { source: `${dir}/*/*.png`, ...options },
      { detector: new WhiteFinder(undefined, undefined, 1) },
    );
    expect(summary).toMatchObject({ saveDir: join(project, 'predict'), labels: 2 });
    expect(filesBelow(join(project, 'predict'))).toEqual([
      'crops/odd_name/x-2.jpg',
      'crops/odd_name/x.jpg',
      'empty.png',
      'labels/x-2.txt',
      'labels/x.txt',
      'x-2.png',
      'x.png',
    ]);
    const [cls, ...row] = readFileSync(join(project, 'predict/labels/x.txt'), 'utf8').trim().split(' ').map(Number);
    expect(cls).toBe(1);
    [0.4, 0.4, 0.4, 0.4, 0.9].forEach((v, i) => {
      expect(row[i]).toBeCloseTo(v, 1);
    });
    const drawn = await decodeImage(join(project, 'predict/x.png'));
    expect([drawn.width, drawn.height]).toEqual([200, 100]);
    expect(Buffer.compare(drawn.data, blank.data)).not.toBe(0);
    const size = await readImageSize(join(project, 'predict/crops/odd_name/x.jpg'));
    expect(Math.abs(size.width - (80 * 1.02 + 10))).toBeLessThan(3);
  });

  it('nothing to write: no folder', async () => {
    const project = tmpDir();
    await all({ project, imgsz: 64 }, { source: blank, detector: new WhiteFinder() });
    expect(readdirSync(project)).toEqual([]);
  });

  it('of an animation: frames, numbered labels, and a video or an animation', async () => {
    const dir = tmpDir();
    const frames = [10, 40, 70].map((x) => scene(96, 64, [x, 20, x + 20, 50]));
    writeFileSync(join(dir, 'm.webp'), await encodeAnimation(frames, 5, 100));
    const options = { source: join(dir, 'm.webp'), save: true, save_txt: true, save_frames: true, imgsz: 96 };
    const { results } = await all({ ...options, project: dir }, { detector: new WhiteFinder() });
    expect(results.map((r) => r.frame)).toEqual([1, 2, 3]);
    const clip = (await hasFfmpeg()) ? 'm.mp4' : 'm.webp';
    const labels = [1, 2, 3].map((i) => `labels/m_${i}.txt`);
    expect(filesBelow(join(dir, 'predict'))).toEqual([...labels, clip, ...[1, 2, 3].map((i) => `m_frames/m_${i}.jpg`)]);
    const { FFMPEG_PATH } = process.env;
    process.env.FFMPEG_PATH = join(dir, 'no-ffmpeg');
    await all({ ...options, project: join(dir, 'without') }, { detector: new WhiteFinder() });
    if (FFMPEG_PATH === undefined) delete process.env.FFMPEG_PATH;
    else process.env.FFMPEG_PATH = FFMPEG_PATH;
  });

  it('of a video: an annotated video of as many frames, finished also when the loop is left', async ({ skip }) => {
    if (!(await hasFfmpeg())) skip();
    const dir = tmpDir();
    const video = await createVideo(join(dir, 'v.mp4'), 96, 64, 10);
    for (let i = 0; i < 6; i++) await video.write(scene(96, 64, [i * 10, 20, i * 10 + 20, 50]));
    await video.close();
    const options = { model: 'white', source: join(dir, 'v.mp4'), save: true, imgsz: 96, project: dir };
    for await (const { frame } of predict(resolveConfig('predict', options), { detector: new WhiteFinder() }))
      if (frame === 4) break;
    expect(filesBelow(join(dir, 'predict'))).toEqual(['v.mp4']);
    const again = await all({ source: join(dir, 'predict/v.mp4'), imgsz: 96 }, { detector: new WhiteFinder() });
    expect(again.results).toHaveLength(4);
  });

  it('a folder that can not be written is told', async () => {
    const dir = tmpDir();
    writeFileSync(join(dir, 'file'), '');
    const run = all({ save: true, project: join(dir, 'file') }, { source: blank, detector: new WhiteFinder() });
    await expect(run).rejects.toMatchObject({ code: 'cannot-write', exitCode: 1 });
  });
});

describe('crop', () => {
  it('has a margin and stays within the image', () => {
    const image = scene(100, 100, [0, 0, 100, 100]);
    expect(crop(image, [30, 30, 50, 40])).toMatchObject({ width: 31, height: 21 });
    expect(crop(image, [-5, -5, 200, 3])).toMatchObject({ width: 100, height: 8 });
    expect(crop(image, [99.9, 99.9, 100, 100]).data.length).toBeGreaterThan(0);
  });
});

describe('createRunDir', () => {
  it('numbers from 2, or takes what is there', () => {
    const project = tmpDir();
    const made = [1, 2, 3].map(() => createRunDir({ project }, 'predict'));
    expect(made.map((dir) => dir.slice(project.length + 1))).toEqual(['predict', 'predict-2', 'predict-3']);
    expect(createRunDir({ project, name: 'mine' }, 'predict')).toBe(join(project, 'mine'));
    expect(createRunDir({ project, name: 'mine', exist_ok: true }, 'predict')).toBe(join(project, 'mine'));
    expect(existsSync(join(project, 'mine-2'))).toBe(false);
  });
});
