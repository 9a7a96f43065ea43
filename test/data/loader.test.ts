import { createHash } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AugmentSettings } from '../../src/cfg/schema.js';
import { rng } from '../../src/core/rng.js';
import type { Batch } from '../../src/data/batch.js';
import { createTrainLoader, type EpochOptions, type TrainLoaderOptions } from '../../src/data/loader.js';
import { encodeImage } from '../../src/image/codec.js';
import { NO_AUGMENTATION } from '../helpers/augment.js';
import { tmpDir } from '../helpers/tmp.js';

const AUGMENT: AugmentSettings = {
  ...{ ...NO_AUGMENTATION, mosaic: 1, mixup: 0.2, cutmix: 0.2, translate: 0.1, scale: 0.5 },
  ...{ hsv_h: 0.015, hsv_s: 0.7, hsv_v: 0.4, fliplr: 0.5 },
};

const images: TrainLoaderOptions['images'] = [];

beforeAll(async () => {
  const dir = tmpDir();
  for (let i = 0; i < 21; i++) {
    const random = rng(1, i);
    const [width, height] = [80 + random.int(60), 60 + random.int(60)];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, j) => (j * (i + 3)) % 251);
    const path = join(dir, `${i}.png`);
    writeFileSync(path, await encodeImage({ data, width, height }, 'png'));
    const box = (): number[] => [random.int(3), 0.3 + 0.4 * random.next(), 0.5, 0.2 + 0.2 * random.next(), 0.3];
    images.push({ path, width, height, labels: new Float32Array(i % 5 ? [...box(), ...box()] : []) });
  }
});

const options = (more: Partial<TrainLoaderOptions> = {}): TrainLoaderOptions => ({
  ...{ images, imgsz: 96, batch: 4, augment: AUGMENT, seed: 7, workers: 0 },
  ...more,
});

const digest = (batch: Batch): string =>
  createHash('sha1')
    .update(batch.images)
    .update(JSON.stringify(batch.labels.map((l) => [...l])))
    .update(`${batch.indices} ${batch.shape}`)
    .digest('hex');

/** Digests of the batches of some epochs. */
async function run(more: Partial<TrainLoaderOptions>, epochs: [number, EpochOptions?][]): Promise<string[][]> {
  const loader = createTrainLoader(options(more));
  const out: string[][] = [];
  for (const [epoch, how] of epochs) {
    const digests: string[] = [];
    for await (const batch of loader.epoch(epoch, how)) digests.push(digest(batch));
    out.push(digests);
  }
  await loader.close();
  return out;
}

describe('the training loader', () => {
  it('gives the same bits with 0, 1 and 4 workers, epoch after epoch, with and without mosaic', async () => {
    const epochs: [number, EpochOptions?][] = [[0], [1], [2, { mosaic: false }]];
    const alone = await run({ workers: 0 }, epochs);
    expect(alone.map((e) => e.length)).toEqual([6, 6, 6]);
    expect(new Set(alone.flat()).size).toBe(18);
    expect(await run({ workers: 1 }, epochs)).toEqual(alone);
    expect(await run({ workers: 4 }, epochs)).toEqual(alone);
  });

  it('goes on in the middle of an epoch as if it had not been interrupted, in a fresh loader too', async () => {
    const [whole] = await run({ workers: 2 }, [[3]]);
    const [rest] = await run({ workers: 1 }, [[3, { startBatch: 4 }]]);
    expect(rest).toEqual(whole.slice(4));
  });

  it.each([
    [2, { workers: 0 }],
    [4, { workers: 2, multiScale: 0.5 }],
    [2, { workers: 1, rect: true }],
  ])(
    'gives %i parts with %o that are the whole batches together, also from the middle of an epoch on',
    async (of, more) => {
      const images = (batch: Batch): { image: string; labels: number[]; index: number; shape: string }[] => {
        const [b, ...size] = batch.shape;
        const bytes = batch.images.length / b;
        return batch.indices.map((index, k) => ({
          image: createHash('sha1')
            .update(batch.images.subarray(k * bytes, (k + 1) * bytes))
            .digest('hex'),
          labels: [...batch.labels[k]],
          index,
          shape: `${size}`,
        }));
      };
      const collect = async (part?: TrainLoaderOptions['part']) => {
        const loader = createTrainLoader(options({ ...more, part }));
        const out: { images: ReturnType<typeof images>; whole: number }[] = [];
        for await (const batch of loader.epoch(1, { startBatch: 2 }))
          out.push({ images: batch.idle ? [] : images(batch), whole: batch.whole });
        await loader.close();
        return out;
      };
      const whole = await collect();
      const parts = await Promise.all(Array.from({ length: of }, (_, index) => collect({ index, of })));
      expect(whole.map((batch) => batch.images.length)).toEqual([4, 4, 4, 1]);
      whole.forEach((batch, k) => {
        expect(parts.flatMap((part) => part[k].images)).toEqual(batch.images);
        for (const part of parts) expect(part[k].whole).toBe(batch.images.length);
      });
    },
  );

  it('depends on seed and epoch', async () => {
    const [[a], [b]] = await run({}, [[0], [1]]);
    const [[c]] = await run({ seed: 8 }, [[0]]);
    expect(new Set([a, b, c]).size).toBe(3);
  });

  it('can be given up in an epoch and start another, without an image of the old one in the new', async () => {
    const [, want] = await run({ workers: 0 }, [[0], [5]]);
    const loader = createTrainLoader(options({ workers: 2 }));
    for await (const batch of loader.epoch(0)) if (batch.shape[0]) break;
    const got: string[] = [];
    for await (const batch of loader.epoch(5)) got.push(digest(batch));
    expect(got).toEqual(want);
    const left = loader.epoch(6);
    await loader.close();
    await expect(left.next()).rejects.toThrow();
  });

  it('yields every image once an epoch, shuffled', async () => {
    const loader = createTrainLoader(options());
    const seen: number[] = [];
    for await (const batch of loader.epoch(0)) seen.push(...batch.indices);
    expect(seen).not.toEqual(images.map((_, i) => i));
    expect(seen.sort((a, b) => a - b)).toEqual(images.map((_, i) => i));
  });

  it('without augmentation centres an image on grey, its labels with it', async () => {
    const loader = createTrainLoader(options({ augment: NO_AUGMENTATION, batch: 1 }));
    let padded = 0;
    for await (const { images: data, labels, indices, original } of loader.epoch(0)) {
      const image = images[indices[0]];
      expect(original).toEqual([{ width: image.width, height: image.height }]);
      const ratio = 96 / Math.max(image.width, image.height);
      const w = Math.ceil(image.width * ratio);
      const h = Math.ceil(image.height * ratio);
      expect(labels[0].length).toBe(image.labels.length);
      for (let i = 0; i < labels[0].length; i += 5) {
        const [id, cx, cy, bw, bh] = image.labels.subarray(i, i + 5);
        const [x, y] = [cx * w + (96 - w) / 2, cy * h + (96 - h) / 2];
        const [halfW, halfH] = [(bw * w) / 2, (bh * h) / 2];
        [id, x - halfW, y - halfH, x + halfW, y + halfH].forEach((v, j) => {
          expect(labels[0][i + j]).toBeCloseTo(v, 4);
        });
      }
      if (w >= 94) continue;
      padded++;
      expect([...data.subarray(48 * 96 * 3, 48 * 96 * 3 + 3)]).toEqual([114, 114, 114]);
    }
    expect(padded).toBeGreaterThan(0);
  });

  it('rect: batches of like aspect, multiples of 32, no mosaic', async () => {
    const loader = createTrainLoader(options({ rect: true, workers: 1 }));
    const shapes: number[][] = [];
    for await (const { shape, images: data, indices } of loader.epoch(0)) {
      expect(data.length).toBe(shape[0] * shape[1] * shape[2] * 3);
      expect(shape[1] % 32).toBe(0);
      expect(shape[2] % 32).toBe(0);
      const high = Math.max(...indices.map((i) => images[i].height / images[i].width));
      expect(shape[1]).toBe(high < 1 ? Math.ceil((96 * high) / 32) * 32 : 96);
      shapes.push(shape);
    }
    expect(new Set(shapes.map(String)).size).toBeGreaterThan(1);
    await loader.close();
  });

  it('multi-scale: sizes are multiples of 32 within the range and differ; boxes grow with them', async () => {
    const sizes = new Set<number>();
    const plain: number[][][] = [];
    for await (const { labels } of createTrainLoader(options({ batch: 2 })).epoch(0))
      plain.push(labels.map((rows) => [...rows]));
    const loader = createTrainLoader(options({ multiScale: 0.5, batch: 2 }));
    let n = 0;
    for await (const { shape, images: data, labels } of loader.epoch(0)) {
      expect(shape[1]).toBe(shape[2]);
      expect(data.length).toBe(shape[0] * shape[1] * shape[2] * 3);
      sizes.add(shape[1]);
      for (const [k, rows] of plain[n++].entries()) {
        expect(labels[k].length).toBe(rows.length);
        labels[k].forEach((v, i) => {
          expect(v).toBeCloseTo(i % 5 ? (rows[i] * shape[1]) / 96 : rows[i], 3);
        });
      }
    }
    for (const size of sizes) expect([64, 96, 128]).toContain(size);
    expect(sizes.size).toBeGreaterThan(1);
  });

  it('cache=disk and ram change nothing; the disk cache lies in the cache folder and is used', async () => {
    const cache = tmpDir();
    process.env.YOLO_CACHE = cache;
    const want = await run({}, [[0], [1]]);
    expect(await run({ cache: 'disk', workers: 2 }, [[0], [1]])).toEqual(want);
    const files = readdirSync(cache, { recursive: true })
      .map(String)
      .filter((f) => f.endsWith('.rgb'));
    expect(files.length).toBe(images.length);
    expect(readdirSync(join(images[0].path, '..')).length).toBe(images.length);
    // A damaged file is noticed and made anew.
    const file = join(cache, files[0]);
    const size = statSync(file).size;
    writeFileSync(file, Buffer.alloc(size));
    expect(await run({ cache: 'disk' }, [[0], [1]])).toEqual(want);
    expect(await run({ cache: 'ram', workers: 1 }, [[0], [1]])).toEqual(want);
  });

  it.each([0, 2])('names a broken image, and one that has changed (workers=%i)', async (workers) => {
    const dir = tmpDir();
    writeFileSync(join(dir, 'broken.jpg'), 'not an image');
    const broken = [{ ...images[0], path: join(dir, 'broken.jpg') }, ...images.slice(1)];
    await expect(run({ images: broken, workers }, [[0]])).rejects.toMatchObject({
      code: 'broken-image',
      message: expect.stringContaining('broken.jpg'),
    });
    const changed = [{ ...images[0], width: 7 }, ...images.slice(1)];
    await expect(run({ images: changed, workers }, [[0]])).rejects.toMatchObject({
      code: 'image-changed',
      message: expect.stringContaining('0.png'),
    });
  });

  it.each([
    [0, undefined],
    [2, 'disk' as const],
  ])('tells an image that is gone from a broken one (workers=%i, cache=%s)', async (workers, cache) => {
    const gone = [{ ...images[0], path: join(tmpDir(), 'gone.png') }, ...images.slice(1)];
    await expect(run({ images: gone, workers, cache }, [[0]])).rejects.toMatchObject({
      code: 'images-gone',
      exitCode: 1,
      message: expect.stringContaining('gone.png'),
    });
    const away = images.map((image) => ({ ...image, path: image.path.replace('/images/', '/away/') }));
    const folder = [{ ...images[0], path: join(tmpDir(), 'away', 'x.png') }, ...away.slice(1)];
    await expect(run({ images: folder, workers, cache }, [[0]])).rejects.toMatchObject({
      message: expect.stringMatching(/is not there any more; it had images of the dataset$/),
    });
  });
});
