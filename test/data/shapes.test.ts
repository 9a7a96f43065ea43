import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import type { RgbImage } from '../../src/core/types.js';
import { openDataset } from '../../src/data/dataset.js';
import { makeShapes, parseShapes, SHAPES_DEFAULTS } from '../../src/data/shapes.js';
import { drawScene, KINDS } from '../../src/data/shapes-draw.js';
import { tmpDir } from '../helpers/tmp.js';

beforeEach(() => {
  process.env.YOLO_CACHE = tmpDir();
});

describe('data=shapes', () => {
  it('reads settings, and refuses unknown ones and values out of range', () => {
    expect(parseShapes('shapes')).toEqual(SHAPES_DEFAULTS);
    expect(parseShapes('shapes:size=64, count=10,difficulty=0.5')).toMatchObject({
      size: 64,
      count: 10,
      difficulty: 0.5,
    });
    expect(() => parseShapes('shapes:cuont=3')).toThrow(/Similar: count/);
    expect(() => parseShapes('shapes:count=many')).toThrow(/count must be a whole number from 2/);
    expect(() => parseShapes('shapes:classes=99')).toThrow(/classes must be/);
    expect(() => parseShapes('shapes:size=')).toThrow(/size must be/);
  });

  it('makes a dataset that opens without a finding, once', async () => {
    const yaml = await makeShapes('shapes:size=64,count=10,val=0.3,classes=4');
    const train = await openDataset(yaml, 'train');
    const val = await openDataset(yaml, 'val');
    expect([train.images.length, val.images.length]).toEqual([7, 3]);
    expect(train.names).toEqual(Object.keys(KINDS).slice(0, 4));
    expect(train.findings).toEqual([]);
    expect(train.images.every(({ labels }) => labels.length >= 5)).toBe(true);
    expect((await openDataset('shapes:size=64,count=10,val=0.3,classes=4', 'val')).images.length).toBe(3);
    const time = statSync(yaml).mtimeMs;
    expect(await makeShapes('shapes:size=64,count=10,val=0.3,classes=4')).toBe(yaml);
    expect(statSync(yaml).mtimeMs).toBe(time);
    expect(readdirSync(join(dirname(yaml), '..')).length).toBe(1);
  });

  it('is the same from the same seed, and another from another', async () => {
    const bytes = async (data: string): Promise<Buffer[]> => {
      const folder = join(dirname(await makeShapes(data)), 'images/train');
      return readdirSync(folder).map((f) => readFileSync(join(folder, f)));
    };
    const first = await bytes('shapes:size=48,count=4,seed=5');
    process.env.YOLO_CACHE = tmpDir();
    expect(await bytes('shapes:size=48,count=4,seed=5')).toEqual(first);
    expect(await bytes('shapes:size=48,count=4,seed=6')).not.toEqual(first);
  });

  it('scale makes the objects smaller, and room for more', () => {
    const draw = (scale: number): number[] => {
      const settings = { size: 256, classes: 6, objects: 60, scale, difficulty: 0.3 };
      const { image, labels } = drawScene(settings, rng(1));
      return labels.map(([, , , w, h]) => Math.max(w * image.width, h * image.height));
    };
    const [large, small] = [draw(1), draw(0.1)];
    expect(Math.max(...small)).toBeLessThan(0.25 * Math.max(...large));
    expect(small.length).toBeGreaterThan(large.length);
  });

  it.each(Object.keys(KINDS).map((kind, id) => [id, kind] as const))('labels hold kind %i, %s, tightly', (id) => {
    let seen = 0;
    for (let seed = 0; seed < 200; seed++) {
      const settings = { size: 96, classes: Object.keys(KINDS).length, objects: 1, scale: 1, difficulty: 0 };
      const { image, labels } = drawScene(settings, rng(3, seed));
      if (labels.length === 0 || labels[0][0] !== id) continue;
      seen++;
      const [, cx, cy, w, h] = labels[0];
      const box = [(cx - w / 2) * image.width, (cy - h / 2) * image.height, (cx + w / 2) * image.width];
      box.push((cy + h / 2) * image.height);
      hullOfUnlikeGround(image).forEach((side, k) => {
        expect(Math.abs(side - box[k]), `side ${k} of seed ${seed}`).toBeLessThan(2.5);
      });
    }
    expect(seen).toBeGreaterThan(5);
  });
});

/** Hull of the pixels whose colour is far from the usual one, x1 y1 x2 y2: at difficulty 0 that is the object. */
function hullOfUnlikeGround({ data, width, height }: RgbImage): number[] {
  const middle = [0, 1, 2].map((c) => data.filter((_, i) => i % 3 === c).sort()[(width * height) >> 1]);
  const hull = [width, height, 0, 0];
  for (let i = 0; i < width * height; i++) {
    if (Math.hypot(...middle.map((m, c) => data[i * 3 + c] - m)) < 75) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    hull[0] = Math.min(hull[0], x);
    hull[1] = Math.min(hull[1], y);
    hull[2] = Math.max(hull[2], x + 1);
    hull[3] = Math.max(hull[3], y + 1);
  }
  return hull;
}
