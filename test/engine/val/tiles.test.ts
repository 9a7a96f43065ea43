import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { labelText } from '../../../src/core/boxes.js';
import { log } from '../../../src/core/log.js';
import { rng } from '../../../src/core/rng.js';
import type { Box } from '../../../src/core/types.js';
import { openDataset } from '../../../src/data/dataset.js';
import { evaluate } from '../../../src/engine/val/evaluate.js';
import { validate } from '../../../src/engine/val/validator.js';
import { encodeImage } from '../../../src/image/codec.js';
import { RectangleFinder } from '../../helpers/rectangle-finder.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene } from '../../helpers/white-finder.js';

const [WIDTH, HEIGHT, CELL] = [960, 640, 80];

/** Images with a small white rectangle in most cells of a grid, and a large one over some of them. */
async function writeLargeImages(count: number): Promise<string> {
  const dir = tmpDir();
  mkdirSync(join(dir, 'images'));
  mkdirSync(join(dir, 'labels'));
  for (let i = 0; i < count; i++) {
    const random = rng(1, i);
    const boxes: Box[] = [[410, 90, 790, 310]];
    for (let y = 0; y < HEIGHT; y += CELL) {
      for (let x = 0; x < WIDTH; x += CELL) {
        const [left, top] = [x + 20 + random.int(40), y + 20 + random.int(40)];
        const inLarge = x + CELL > 400 && x < 800 && y + CELL > 80 && y < 320;
        if (!inLarge) boxes.push([left, top, left + 8 + random.int(6), top + 8 + random.int(6)]);
      }
    }
    const image = scene(WIDTH, HEIGHT, ...boxes);
    writeFileSync(join(dir, `images/${i}.png`), await encodeImage(image, 'png'));
    writeFileSync(join(dir, `labels/${i}.txt`), boxes.map((box) => labelText(0, box, image)).join('\n'));
  }
  writeFileSync(join(dir, 'data.yaml'), 'path: .\ntrain: images\nval: images\nnames: [white]\n');
  return join(dir, 'data.yaml');
}

describe('validation with tile', () => {
  it('small objects that the network misses in the whole image are found in tiles; the large one still counts', async () => {
    const dataset = await openDataset(await writeLargeImages(2), 'val');
    const measure = async (tile?: number, fixedShape?: [number, number]) => {
      const tiling = tile === undefined ? undefined : { size: tile, overlap: 0.2 };
      const seen: number[] = [];
      const settings = {
        imgsz: 320,
        batch: 4,
        workers: 0,
        tiling,
        observers: [{ onImage: (i: { index: number }) => void seen.push(i.index) }],
      };
      const evaluation = await evaluate(new RectangleFinder(6, undefined, fixedShape), dataset, settings);
      expect(seen).toEqual([0, 1]);
      return evaluation;
    };
    const [without, tiled, fixed] = [await measure(), await measure(320), await measure(320, [320, 320])];
    expect(without.recall).toBeLessThan(0.05);
    expect(tiled).toMatchObject({ images: 2, instances: dataset.counts.instances });
    expect(tiled.recall).toBe(1);
    expect(tiled.mAP50).toBeGreaterThan(0.99);
    expect(tiled['mAP50-95']).toBeGreaterThan(0.95);
    expect(fixed.mAP50).toBe(tiled.mAP50);
    expect(tiled.speed.inference).toBeGreaterThan(0);
  });

  it('names a broken image and goes on', async () => {
    const data = await writeLargeImages(2);
    const dataset = await openDataset(data, 'val');
    writeFileSync(dataset.images[0].path, 'broken');
    const lines: string[] = [];
    const old = log.setSink({ write: (_, text) => lines.push(text) });
    const options = { imgsz: 320, batch: 4, tiling: { size: 320, overlap: 0.2 } };
    const { images, broken } = await evaluate(new RectangleFinder(6), dataset, options);
    log.setSink(old);
    expect([images, broken.map(({ path }) => path)]).toEqual([1, [dataset.images[0].path]]);
    expect(lines.join('')).toContain('0.png');
  });

  it.each([
    [{ tile: 320, rect: true }, 'bad-value'],
    [{ tile_overlap: 0.5 }, 'missing-tile'],
  ])('refuses %j', async (options, code) => {
    const config = resolveConfig('val', { model: 'no.pt', data: 'no.yaml', ...options });
    await expect(validate(config)).rejects.toMatchObject({ code });
  });
});
