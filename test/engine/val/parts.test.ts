import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { labelText } from '../../../src/core/boxes.js';
import { log } from '../../../src/core/log.js';
import { rng } from '../../../src/core/rng.js';
import type { Box } from '../../../src/core/types.js';
import { type Dataset, openDataset } from '../../../src/data/dataset.js';
import type { Detector } from '../../../src/detect/detector.js';
import { loadDetector } from '../../../src/engine/load-detector.js';
import { type EvaluatedImage, type Evaluation, evaluate } from '../../../src/engine/val/evaluate.js';
import { decodePart, encodePart } from '../../../src/engine/val/part-file.js';
import { evaluateParts, predictPart } from '../../../src/engine/val/parts.js';
import { writeTorch } from '../../../src/export/torch.js';
import { encodeImage } from '../../../src/image/codec.js';
import { specOf } from '../../../src/nn/weights.js';
import { liveModel } from '../../helpers/live-model.js';
import { native } from '../../helpers/native.js';
import { RectangleFinder } from '../../helpers/rectangle-finder.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene } from '../../helpers/white-finder.js';

/** White rectangles on black, in images of several shapes; some have no object. */
async function writeImages(count: number): Promise<string> {
  const dir = tmpDir();
  mkdirSync(join(dir, 'images'));
  mkdirSync(join(dir, 'labels'));
  for (let i = 0; i < count; i++) {
    const random = rng(5, i);
    const [width, height] = [64 + 32 * random.int(3), 64 + 32 * random.int(3)];
    const boxes = Array.from({ length: random.int(3) }, (): Box => {
      const [x, y] = [random.int(width - 30), random.int(height - 30)];
      return [x, y, x + 12 + random.int(18), y + 12 + random.int(18)];
    });
    const image = scene(width, height, ...boxes);
    writeFileSync(join(dir, `images/${i}.png`), await encodeImage(image, 'png'));
    const rows = boxes.map((box) => labelText(random.int(2), box, image));
    writeFileSync(join(dir, `labels/${i}.txt`), rows.join('\n'));
  }
  return dir;
}

async function open(dir: string, names: readonly string[]): Promise<Dataset> {
  writeFileSync(join(dir, 'data.yaml'), JSON.stringify({ path: '.', train: 'images', val: 'images', names }));
  return openDataset(join(dir, 'data.yaml'), 'val');
}

/** The labels of every other image are some of what the detector finds in it, moved a little. */
async function labelled(detector: Detector, dataset: Dataset): Promise<Dataset> {
  const images = [...dataset.images];
  const onImage = ({ image, index, detections }: EvaluatedImage): void => {
    if (index % 2) return;
    const rows = [0, 3, 7].flatMap((i) => {
      const [x1, y1, x2, y2, , id] = detections.subarray(6 * i, 6 * i + 6);
      return [
        id,
        (x1 + x2 + i) / 2 / image.width,
        (y1 + y2) / 2 / image.height,
        (x2 - x1) / image.width,
        (y2 - y1) / image.height,
      ];
    });
    images[index] = { ...image, labels: Float32Array.from(rows) };
  };
  await evaluate(detector, dataset, { imgsz: 64, batch: 4, workers: 0, observers: [{ onImage }] });
  return { ...dataset, images };
}

/** Everything but what a clock says. */
function figures({ speed: _, ...rest }: Evaluation): unknown {
  return rest;
}

async function inParts(detector: Detector, dataset: Dataset, options: Parameters<typeof evaluate>[2], count: number) {
  const parts: Uint8Array[] = [];
  for (let index = 1; index <= count; index++)
    parts.push(await predictPart(detector, dataset, { ...options, shard: { index, count } }));
  return parts;
}

describe('a network with its loss', () => {
  let dataset: Dataset;
  let detector: Detector;

  beforeAll(async () => {
    await native();
    const checkpoint = liveModel();
    const dir = await writeImages(23);
    const model = join(dir, 'live.pt');
    writeTorch(model, specOf(checkpoint), checkpoint, checkpoint.names, { half: false, version: '0' });
    detector = await loadDetector(model, { lossFor: { mostLabels: 3 } });
    dataset = await labelled(detector, await open(dir, checkpoint.names));
    return () => detector.dispose();
  });

  it.each([1, 2, 3, 7])('%i parts measured together are one evaluation, to the last bit', async (count) => {
    const seen: number[][] = [[], []];
    const options = (k: number) => ({
      imgsz: 64,
      batch: 4,
      workers: 0,
      observers: [{ onImage: ({ index }: { index: number }) => void seen[k].push(index) }],
    });
    const whole = await evaluate(detector, dataset, options(0));
    const parts = await inParts(detector, dataset, options(1), count);
    seen[1] = [];
    const merged = await evaluateParts(parts.reverse(), dataset, options(1));
    expect(whole.loss?.every((value) => value > 0)).toBe(true);
    expect(whole.mAP50).toBeGreaterThan(0);
    expect(whole.mAP50).toBeLessThan(1);
    expect(figures(merged)).toEqual(figures(whole));
    expect(seen[1]).toEqual(seen[0]);
    expect(merged.speed.inference).toBeGreaterThan(0);
  });

  it('more parts than batches, without rectangles, of one class', async () => {
    const options = { imgsz: 64, batch: 16, rect: false, singleCls: true, workers: 1, coco: false, errors: false };
    const whole = await evaluate(detector, dataset, options);
    const parts = await inParts(detector, dataset, options, 5);
    expect(figures(await evaluateParts(parts, dataset, options))).toEqual(figures(whole));
  });
});

describe('a part', () => {
  let dataset: Dataset;
  const detector = new RectangleFinder(3);
  const options = { imgsz: 64, batch: 2, workers: 0 };

  beforeAll(async () => {
    dataset = await open(await writeImages(6), ['white', 'other']);
  });

  it('with tiles, and a broken image, which is named once', async () => {
    writeFileSync(dataset.images[4].path, 'broken');
    const old = log.setSink({ write: () => {} });
    try {
      for (const tiling of [undefined, { size: 64, overlap: 0.2 }]) {
        const whole = await evaluate(detector, dataset, { ...options, tiling });
        const merged = await evaluateParts(await inParts(detector, dataset, { ...options, tiling }, 3), dataset);
        expect(merged.broken.map(({ path }) => path)).toEqual([dataset.images[4].path]);
        expect(figures(merged)).toEqual(figures(whole));
      }
    } finally {
      log.setSink(old);
    }
  });

  it('that is missing, given twice, or of another dataset is refused', async () => {
    const [first, second] = await inParts(detector, dataset, options, 2);
    const refused = (parts: Uint8Array[], of = dataset) => expect(evaluateParts(parts, of)).rejects;
    await refused([first]).toMatchObject({ code: 'bad-part', message: expect.stringContaining('1/2') });
    await refused([first, first]).toMatchObject({ code: 'bad-part' });
    await refused([]).toMatchObject({ code: 'bad-part' });
    await refused([first, second], { ...dataset, images: dataset.images.slice(1) }).toMatchObject({ code: 'bad-part' });
  });

  it('that is damaged or of another version is refused', async () => {
    const [part] = await inParts(detector, dataset, options, 1);
    const decoded = decodePart(part);
    expect(encodePart(decoded)).toEqual(part);
    await expect(evaluateParts([part.subarray(0, part.length - 1)], dataset)).rejects.toMatchObject({
      code: 'bad-safetensors',
    });
    const text = Buffer.from(part).toString('latin1');
    for (const [from, to] of [
      ['"version":"1"', '"version":"2"'],
      ['yolov8-tfjs evaluation part', 'yolov8-tfjs evaluation PART'],
      ['"broken":"[', '"broken":"{'],
      ['"shard":"1/1"', '"shard":"1.1"'],
    ]) {
      expect(text).toContain(from);
      const changed = Buffer.from(text.replace(from, to), 'latin1');
      await expect(evaluateParts([changed], dataset), to).rejects.toMatchObject({ code: 'bad-part' });
    }
    const counts = decoded.tensors.counts.map((n, i) => (i === 0 ? n + 1 : n));
    const longer = encodePart({ ...decoded, tensors: { ...decoded.tensors, counts } });
    await expect(evaluateParts([longer], dataset)).rejects.toMatchObject({ code: 'bad-part' });
  });
});
