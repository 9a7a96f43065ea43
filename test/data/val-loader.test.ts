import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DatasetImage } from '../../src/data/dataset.js';
import { orderByAspect } from '../../src/data/rect-order.js';
import { createValLoader, planBatches, type ValBatch } from '../../src/data/val-loader.js';
import { encodeImage } from '../../src/image/codec.js';
import { tmpDir } from '../helpers/tmp.js';

describe('orderByAspect', () => {
  it.each([1, 2, 3, 17, 128, 256, 257, 1000])('sorts %i values and loses none', (n) => {
    const values = Array.from({ length: n }, (_, i) => (i * 7919) % 13);
    const order = orderByAspect(values);
    expect([...order].sort((a, b) => a - b)).toEqual(values.map((_, i) => i));
    for (let i = 1; i < n; i++) expect(values[order[i]]).toBeGreaterThanOrEqual(values[order[i - 1]]);
  });

  it('leaves ties as numpy.argsort does on AVX2 and AVX-512 (20 values of numpy.random.RandomState(0).randint(0, 4))', () => {
    const values = [0, 3, 1, 0, 3, 3, 3, 3, 1, 3, 1, 2, 0, 3, 2, 0, 0, 0, 2, 1];
    expect(orderByAspect(values)).toEqual([0, 3, 12, 15, 17, 16, 10, 8, 2, 19, 11, 14, 18, 7, 5, 4, 13, 9, 6, 1]);
  });
});

describe('planBatches', () => {
  const sizes = (...list: [number, number][]) => list.map(([width, height]) => ({ width, height }));

  it('runs a square image of imgsz 640 at 672, and like aspects together', () => {
    expect(planBatches(sizes([500, 500]), { imgsz: 640, batch: 4 })).toEqual([
      { indices: [0], height: 672, width: 672 },
    ]);
    const plans = planBatches(sizes([480, 640], [640, 480], [320, 640], [640, 320]), { imgsz: 640, batch: 2 });
    expect(plans).toEqual([
      { indices: [3, 1], height: 512, width: 672 },
      { indices: [0, 2], height: 672, width: 512 },
    ]);
    const mixed = planBatches(sizes([640, 480], [480, 640]), { imgsz: 640, batch: 2 });
    expect(mixed[0]).toMatchObject({ height: 672, width: 672 });
  });

  it('keeps the order and one shape without rect or with a fixed shape', () => {
    const two = sizes([480, 640], [640, 480]);
    expect(planBatches(two, { imgsz: 320, batch: 8, rect: false })).toEqual([
      { indices: [0, 1], height: 320, width: 320 },
    ]);
    const fixedShape: [number, number] = [256, 320];
    expect(planBatches(two, { imgsz: 320, batch: 1, fixedShape })[1]).toEqual({
      indices: [1],
      height: 256,
      width: 320,
    });
  });
});

describe('createValLoader', () => {
  const pixels = (width: number, height: number) => {
    const data = new Uint8Array(width * height * 3);
    for (let i = 0; i < data.length; i++) data[i] = (i * 37) % 251;
    return { data, width, height };
  };
  const make = async (): Promise<DatasetImage[]> => {
    const dir = tmpDir();
    const images: DatasetImage[] = [];
    for (let i = 0; i < 7; i++) {
      const path = join(dir, `${i}.png`);
      const [width, height] = [64 + 8 * i, 64];
      writeFileSync(path, i === 3 ? 'broken' : await encodeImage(pixels(width, height), 'png'));
      images.push({ path, width, height, labels: new Float32Array(0), labelFile: '', hasLabelFile: false });
    }
    return images;
  };
  const all = async (images: DatasetImage[], workers: number): Promise<ValBatch[]> => {
    const batches: ValBatch[] = [];
    for await (const batch of createValLoader(images, { imgsz: 64, batch: 3, rect: false, workers }))
      batches.push(batch);
    return batches.map((batch) => ({ ...batch, time: 0 }));
  };

  it('gives the same batches from threads as without, and grey for a broken image', async () => {
    const images = await make();
    const [threads, plain] = [await all(images, 2), await all(images, 0)];
    expect(threads).toEqual(plain);
    expect(plain.map((batch) => batch.indices)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(plain[1].broken[0]).toContain('3.png');
    expect(plain[1].images.subarray(0, 64 * 64 * 3).every((value) => value === 114)).toBe(true);
    expect(plain[0].images.subarray(0, 64 * 64 * 3)).toEqual(pixels(64, 64).data); // 64 x 64 is taken as it is
    const { ratioX, ratioY, padX, padY } = plain[2].transforms[0]; // 112 x 64 → 64 x 37, 13 rows of grey above
    expect([ratioX, ratioY, padX, padY]).toEqual([64 / 112, 37 / 64, 0, 13]);
  });

  it('ends its threads when the iteration is left early', async () => {
    const loader = createValLoader(await make(), { imgsz: 64, batch: 1, workers: 2 });
    for await (const batch of loader) if (batch.indices.length) break;
    await loader.close();
    expect(loader.batches).toBe(7);
  });

  it.each([0, 2])(
    'stops where the folder, all images or many are gone; goes on without one (workers=%i)',
    async (workers) => {
      const remove = (images: DatasetImage[]): void => images.forEach(({ path }) => void rmSync(path));
      const one = await make();
      remove(one.slice(0, 1));
      expect((await all(one, workers))[0].broken[0]).toContain('there is no such file');
      const some = await make();
      remove(some.slice(4));
      await expect(all(some, workers)).rejects.toMatchObject({
        code: 'images-gone',
        exitCode: 1,
        message: expect.stringContaining('3 images of the dataset cannot be read any more'),
      });
      const every = (await make()).slice(0, 2);
      remove(every);
      await expect(all(every, workers)).rejects.toMatchObject({ code: 'images-gone' });
      const folder = await make();
      rmSync(dirname(folder[0].path), { recursive: true });
      await expect(all(folder, workers)).rejects.toMatchObject({
        message: `${dirname(folder[0].path)} is not there any more; it had images of the dataset`,
      });
    },
  );
});
