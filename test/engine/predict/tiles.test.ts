import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import type { PredictResult, RgbImage } from '../../../src/core/types.js';
import { predict } from '../../../src/engine/predict/predictor.js';
import { track } from '../../../src/engine/track/track.js';
import { RectangleFinder } from '../../helpers/rectangle-finder.js';
import { scene } from '../../helpers/white-finder.js';

async function all(source: RgbImage[], detector: RectangleFinder, options: Record<string, unknown>) {
  const config = resolveConfig('predict', { model: 'white', save: false, imgsz: 128, ...options });
  const results: PredictResult[] = [];
  for await (const result of predict(config, { source, detector })) results.push(result);
  return results;
}

const boxesOf = ({ detections }: PredictResult): number[][] =>
  detections.map(({ box }) => box.map(Math.round)).sort((a, b) => a[1] - b[1] || a[0] - b[0]);

describe('predict with tile', () => {
  const small = [
    [10, 12, 18, 20],
    [100, 30, 110, 38], // lies in two tiles
    [300, 200, 309, 210],
  ];
  const large = [60, 60, 250, 170]; // in no tile as a whole
  const image = scene(320, 240, ...small, large);

  it('finds small objects in the pixels of the image, and a large one once', async () => {
    const [without] = await all([image], new RectangleFinder(6), {});
    expect(without.detections).toHaveLength(1);
    const [found] = await all([image], new RectangleFinder(6), { tile: 128 });
    expect(boxesOf(found)).toEqual([...small.slice(0, 2), large, small[2]]);
    expect([found.width, found.height]).toEqual([320, 240]);
  });

  it('runs the whole image and the tiles of all images of a batch in batches; an image like a tile has no tiles', async () => {
    const detector = new RectangleFinder(6);
    const results = await all([image, scene(128, 100, [5, 5, 15, 15]), image], detector, { tile: 128, batch: 3 });
    // The whole and 3 x 3 tiles, 1 view, 10 views: those of three images together.
    expect(detector.shapes).toEqual(Array(7).fill([3, 128, 128]));
    expect(results.map(boxesOf)).toEqual([boxesOf(results[0]), [[5, 5, 15, 15]], boxesOf(results[0])]);
    expect(boxesOf(results[2])).toHaveLength(4);
    for (const { speed } of results) expect(speed.inference).toBeGreaterThan(0);
  });

  it('the same image twice in one batch is two results', async () => {
    const results = await all([image, image], new RectangleFinder(6), { tile: 128, batch: 2 });
    expect(results.map(({ detections }) => detections.length)).toEqual([4, 4]);
  });

  it('a model of fixed batch and shape gets what it insists on', async () => {
    const detector = new RectangleFinder(4, 4, [96, 160]);
    const [found] = await all([image], detector, { tile: 128 });
    expect(detector.shapes).toEqual(Array(3).fill([4, 96, 160]));
    expect(found.detections).toHaveLength(4);
  });

  it('conf and max_det as always', async () => {
    const [few] = await all([image], new RectangleFinder(6), { tile: 128, max_det: 2 });
    expect(few.detections).toHaveLength(2);
    const [none] = await all([image], new RectangleFinder(6), { tile: 128, conf: 0.95 });
    expect(none.detections).toEqual([]);
  });

  it('track follows what is found in tiles', async () => {
    const frames = Array.from({ length: 5 }, (_, t) => scene(320, 240, [90 + 4 * t, 12, 106 + 4 * t, 28]));
    const config = resolveConfig('track', { model: 'white', save: false, imgsz: 128, tile: 128 });
    const ids: number[][] = [];
    for await (const { detections } of track(config, { source: frames, detector: new RectangleFinder(8) }))
      ids.push(detections.map(({ id }) => id));
    expect(ids).toEqual(frames.map(() => [1]));
  });

  it('refuses tile_overlap without tile, and values out of range', async () => {
    const run = (options: Record<string, unknown>) => all([image], new RectangleFinder(6), options);
    await expect(run({ tile_overlap: 0.3 })).rejects.toMatchObject({ code: 'missing-tile' });
    await expect(run({ tile: 31 })).rejects.toMatchObject({ code: 'bad-value' });
    await expect(run({ tile: 64, tile_overlap: 1 })).rejects.toMatchObject({ code: 'bad-value' });
  });
});
