import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../bin/setup/paths.mjs';
import {
  encodeImage,
  Interrupted,
  type PredictResult,
  type RgbImage,
  type SourceInput,
  UserError,
  YOLO,
} from '../src/index.js';
import { saveCheckpoint } from '../src/nn/weights.js';
import { liveModel } from './helpers/live-model.js';
import { tmpDir } from './helpers/tmp.js';

/** A small network, as a file. */
function smallModel(): { path: string; nc: number } {
  const checkpoint = liveModel();
  const path = join(tmpDir(), 'small.safetensors');
  saveCheckpoint(path, checkpoint);
  return { path, nc: checkpoint.names.length };
}

describe('YOLO', () => {
  const { path, nc } = smallModel();
  const image = {
    data: Uint8Array.from({ length: 90 * 70 * 3 }, (_, i) => (i * 31 + (i >> 4) * 7) & 255),
    width: 90,
    height: 70,
  };
  const options = { imgsz: 96, conf: 0.001, iou: 0.5, max_det: 20 };
  let yolo: YOLO;
  beforeAll(async () => {
    yolo = await YOLO.load(path);
  });
  afterAll(() => yolo.dispose());

  async function all(source: Parameters<YOLO['predict']>[0], more = {}): Promise<PredictResult[]> {
    const results: PredictResult[] = [];
    for await (const result of yolo.predict(source, { ...options, ...more })) results.push(result);
    return results;
  }

  it('knows its classes and its engine', () => {
    expect(yolo.names).toHaveLength(nc);
    expect(yolo.engine).toMatch(/TensorFlow|WebAssembly/);
  });

  it('finds the same in pixels, in bytes and in a file', async () => {
    const bytes = await encodeImage(image, 'png');
    const file = join(tmpDir(), 'x.png');
    writeFileSync(file, bytes);
    const [pixels, encoded, read] = await all([image, bytes, file]);
    expect(pixels.detections.length).toBeGreaterThan(0);
    expect(pixels).toMatchObject({ path: 'image0', width: 90, height: 70 });
    expect(encoded.detections).toEqual(pixels.detections);
    expect(read.detections).toEqual(pixels.detections);
    for (const { box, confidence, name } of pixels.detections) {
      expect(box[0] >= 0 && box[1] >= 0 && box[2] <= 90 && box[3] <= 70).toBe(true);
      expect(confidence).toBeGreaterThan(0.001);
      expect(yolo.names).toContain(name);
    }
  });

  it('a batch gives what single images give', async () => {
    const single = await all([image, image, image]);
    const batch = await all([image, image, image], { batch: 2 });
    batch.forEach(({ detections }, i) => {
      expect(detections).toHaveLength(single[i].detections.length);
      detections.forEach((d, k) => {
        expect(d.confidence).toBeCloseTo(single[i].detections[k].confidence, 4);
      });
    });
  });

  it('leaves no tensors behind', async () => {
    await all(image);
    const before = tf.engine().state.numTensors;
    await all([image, image]);
    for await (const _ of yolo.predict([image, image], options)) break;
    expect(tf.engine().state.numTensors).toBe(before);
  });

  it('track: ids that persist over calls, counts of zones, one track a video without persist', async () => {
    const zones = join(tmpDir(), 'zones.yaml');
    writeFileSync(zones, 'polygons:\n  all: [[0, 0], [1, 0], [1, 1], [0, 1]]\n');
    const ids = async (more: Parameters<YOLO['track']>[1]) => {
      const found: number[][] = [];
      for await (const { detections, zones } of yolo.track(image, { ...options, conf: 0.1, ...more })) {
        found.push(detections.map(({ id }) => id));
        const counts = [{ name: 'all', type: 'polygon', inside: detections.length, ids: found.at(-1) }];
        expect(zones).toEqual(more?.zones ? counts : undefined);
      }
      return found;
    };
    const [first] = await ids({ persist: true, zones });
    expect(first.length).toBeGreaterThan(0);
    expect(await ids({ persist: true, zones })).toEqual([first]);
    const lone = await ids({});
    expect(lone).toEqual([first.map((_, i) => i + 1)]);
    await expect(ids({ persist: true, tracker: 'botsort.yaml' })).rejects.toThrow(/BoT-SORT is not supported/);
  });

  it('test-time augmentation is another network on the same weights', async () => {
    const [plain] = await all(image);
    const [merged] = await all(image, { augment: true });
    expect(merged.detections).not.toEqual(plain.detections);
  });

  it.runIf(engineReady())('concurrent calls share a bounded queue; an aborted one leaves it', async () => {
    const small = await YOLO.load(path, { maxWaiting: 1 });
    const first = async (signal?: AbortSignal) => {
      for await (const { detections } of small.predict(image, { ...options, imgsz: 960, signal })) return detections;
    };
    const found = await first();
    const settled = await Promise.allSettled([first(), first(), first(), first()]);
    const done = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refused = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(done.length).toBeGreaterThanOrEqual(2); // one ran, one waited
    for (const detections of done) expect(detections).toEqual(found);
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) {
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ code: 'queue-full', message: 'the queue of the network is full: 1 waiting' });
    }
    const stop = new AbortController();
    const [running, waiting] = [first(), first(stop.signal)];
    waiting.catch(() => {});
    setTimeout(() => stop.abort(), 10);
    await expect(waiting).rejects.toBeInstanceOf(Interrupted);
    expect(await running).toEqual(found);
    expect(await first()).toEqual(found);
    await small.dispose();
  });

  it('wrong requests are told as such', async () => {
    await expect(all(join(tmpDir(), 'none.jpg'))).rejects.toBeInstanceOf(UserError);
    await expect(all(image, { cnof: 0.3 })).rejects.toThrow(/conf/);
    await expect(YOLO.load('yolov8none.yaml')).rejects.toMatchObject({ code: 'missing-file' });
    await expect(YOLO.load(join(tmpDir(), 'none.pt'))).rejects.toBeInstanceOf(UserError);
  });

  describe('sources of a program', () => {
    let bytes: Uint8Array;
    let file: string;
    let expected: PredictResult['detections'];
    beforeAll(async () => {
      bytes = await encodeImage(image, 'png');
      file = join(tmpDir(), 'a b.png');
      writeFileSync(file, bytes);
      [{ detections: expected }] = await all(image);
    });

    it.each<[string, () => SourceInput]>([
      ['a file: URL object', () => pathToFileURL(file)],
      ['an ArrayBuffer', () => new Uint8Array(bytes).buffer],
      ['a Blob', () => new Blob([new Uint8Array(bytes)])],
      ['a Response', () => new Response(new Uint8Array(bytes))],
      ['a Node stream of bytes', () => createReadStream(file, { highWaterMark: 100 })],
      ['a web stream of bytes', () => new Blob([new Uint8Array(bytes)]).stream()],
      ['an object stream of images', () => Readable.from([bytes])],
      ['a generator', () => [image].values()],
      ['an async generator', () => arriving([image])],
    ])('%s', async (_, source) => {
      const found = await all(source());
      expect(found.map(({ detections }) => detections)).toEqual([expected]);
    });

    it('an async iterable of anything: a result an item, in order; a missing file ends nothing', async () => {
      const missing = join(tmpDir(), 'missing.png');
      const items = arriving([image, file, missing, pathToFileURL(file), bytes, createReadStream(file)]);
      const results = yolo.predict(items, options);
      const paths: string[] = [];
      let next = await results.next();
      for (; !next.done; next = await results.next()) {
        paths.push(next.value.path);
        expect(next.value.detections).toEqual(expected);
      }
      expect(paths).toEqual(['image0', file, file, 'image4', 'image5']);
      expect(next.value.failed).toMatchObject([{ path: missing }]);
    });

    it('frames are predicted as they come: the first result is there before the third frame is asked for', async () => {
      const log: string[] = [];
      async function* camera() {
        for (let i = 0; i < 4; i++) {
          log.push(`frame ${i}`);
          yield image;
        }
      }
      for await (const { path } of yolo.predict(camera(), options)) log.push(path);
      expect(log.indexOf('image0')).toBeLessThan(log.indexOf('frame 2'));
      expect(log.filter((entry) => entry.startsWith('image'))).toHaveLength(4);
    });

    it('a camera that fills one buffer again and again: each result is of its own frame', async () => {
      const buffer = { ...image, data: new Uint8Array(image.data.length) };
      async function* camera() {
        for (const shift of [0, 40, 80]) {
          buffer.data.set(image.data.map((x) => x + shift));
          yield buffer;
        }
      }
      const apart = [0, 40, 80].map((shift) => ({ ...image, data: image.data.map((x) => x + shift) }));
      const want = (await all(apart)).map(({ detections }) => detections);
      expect(want[0]).not.toEqual(want[1]);
      expect((await all(camera())).map(({ detections }) => detections)).toEqual(want);
    });

    it('a generator is closed when the loop is left, and its error comes through as it is', async () => {
      let closed = false;
      async function* camera() {
        try {
          for (;;) yield image;
        } finally {
          closed = true;
        }
      }
      for await (const _ of yolo.predict(camera(), options)) break;
      await expect.poll(() => closed).toBe(true);
      async function* broken() {
        yield image;
        throw new RangeError('of the camera');
      }
      await expect(all(broken())).rejects.toThrow(new RangeError('of the camera'));
    });

    it.each<[string, unknown, RegExp]>([
      ['nothing', null, /'source' is missing/],
      ['undefined in a list', [undefined], /source is undefined/],
      ['an object', {}, /source is of type Object/],
      ['clamped pixels without a size', new Uint8ClampedArray(12), /of type Uint8ClampedArray/],
      ['an address that nothing opens', new URL('ftp://host/x.jpg'), /'ftp:' URLs are not supported/],
      ['a stream of text', createTextStream(), /a stream of bytes yields a value of type String/],
      ['an iterable in a list', [arriving([])], /a list of sources contains an iterable/],
      ['a stream that fails', () => createReadStream('/no/such/file'), /source cannot be read: ENOENT/],
    ])('%s is refused in words', async (_, source, message) => {
      const value = (typeof source === 'function' ? source() : source) as SourceInput;
      const error = await all(value).catch((reason) => reason);
      expect(error).toBeInstanceOf(UserError);
      expect(error.message).toMatch(message);
    });
  });

  describe('AbortSignal in predict', () => {
    it('ends the run between two images that are in memory', async () => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 0);
      const run = async () => {
        for await (const _ of yolo.predict(Array(100_000).fill(image), { ...options, signal: stop.signal }));
      };
      await expect(run()).rejects.toBeInstanceOf(Interrupted);
    });

    it('ends the wait for a frame that never comes', async () => {
      const stop = new AbortController();
      async function* camera() {
        yield image;
        await new Promise(() => {});
      }
      let results = 0;
      const run = async () => {
        for await (const _ of yolo.predict(camera(), { ...options, signal: stop.signal })) {
          results++;
          setTimeout(() => stop.abort(), 10);
        }
      };
      await expect(run()).rejects.toBeInstanceOf(Interrupted);
      expect(results).toBe(1);
    });

    it('that was aborted before starts nothing', async () => {
      const untouched: AsyncIterable<RgbImage> = {
        [Symbol.asyncIterator]() {
          throw new Error('the source was opened');
        },
      };
      const run = yolo.predict(untouched, { ...options, signal: AbortSignal.abort() }).next();
      await expect(run).rejects.toBeInstanceOf(Interrupted);
    });
  });
});

async function* arriving<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}

function createTextStream(): Readable {
  const stream = new PassThrough();
  stream.setEncoding('utf8').end('no image');
  return stream;
}
