/** examples/service, in a process of its own, with a tiny network. */
import { request } from 'node:http';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import type { PredictResult } from '../../src/core/types.js';
import { encodeImage } from '../../src/image/codec.js';
import { log, YOLO } from '../../src/index.js';
import { toFile } from '../../src/nn/layout.js';
import { buildNetwork } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { writeGif } from '../helpers/gif.js';
import { liveModel } from '../helpers/live-model.js';
import { Service, Viewer } from '../helpers/service.js';
import { tmpDir } from '../helpers/tmp.js';
import { scene } from '../helpers/white-finder.js';

const FRAMES = 60;
const dir = tmpDir();
const model = join(dir, 'tiny.safetensors');
const video = join(dir, 'video.gif');
const services: Service[] = [];
let image: Buffer;

async function start(args: string[], env?: Record<string, string>): Promise<Service> {
  const service = await Service.start(args, env);
  services.push(service);
  return service;
}

beforeAll(async () => {
  log.setVerbose(false);
  saveCheckpoint(model, { ...liveModel(), trainArgs: { imgsz: 64 } });
  await writeGif(video, moving(FRAMES));
  image = await encodeImage(square(3), 'png');
});
afterAll(() => log.setVerbose(true));
afterAll(() => Promise.all(services.map((service) => service.stop('SIGKILL'))));

function square(i: number) {
  return scene(96, 64, [i % 64, 10, (i % 64) + 30, 40]);
}

const moving = (frames: number) => Array.from({ length: frames }, (_, i) => square(i));

describe('uploads', () => {
  let service: Service;
  beforeAll(async () => {
    service = await start([model]);
  });

  async function post(body: Uint8Array, query = ''): Promise<{ status: number; json: object }> {
    const answer = await fetch(`${service.url}/detect${query}`, { method: 'POST', body: Buffer.from(body) });
    return { status: answer.status, json: (await answer.json()) as object };
  }

  it('has the detections of the API', async () => {
    const yolo = await YOLO.load(model);
    const { value } = (await yolo.predict(image, { conf: 0.3 }).next()) as IteratorYieldResult<PredictResult>;
    await yolo.dispose();
    const { status, json } = await post(image, '?conf=0.3');
    expect({ status, ...json }).toEqual({ status: 200, width: 96, height: 64, detections: value.detections });
    expect(value.detections.length).toBeGreaterThan(2);
  });

  it.each([
    ['text', Buffer.from('no image'), '', 415, /the body can't be read as an image/],
    ['nothing', Buffer.alloc(0), '', 415, /empty/],
    ['half an image', undefined, '', 415, /the body can't be read as an image/],
    ['too many bytes', Buffer.alloc(10e6 + 1), '', 413, /10 MB/],
    ['a confidence that is none', undefined, '?conf=high', 400, /conf/],
  ])('%s: a clear refusal', async (name, body, query, status, message) => {
    const refused = await post(body ?? image.subarray(0, name === 'half an image' ? 150 : undefined), query);
    expect(refused).toEqual({ status, json: { error: expect.stringMatching(message) } });
  });

  it('too many pixels are refused before they are decoded', async () => {
    const blank = { width: 6000, height: 6000, channels: 3 as const, background: 'black' };
    expect(await post(await sharp({ create: blank }).png().toBuffer())).toMatchObject({ status: 413 });
  });

  it('other addresses and methods', async () => {
    for (const path of ['/', '/detect', '//', '/video', '/%'])
      expect((await fetch(`${service.url}${path}`)).status).toBe(404);
  });

  it('a body without an announced length ends at the limit, too', async () => {
    const chunk = new Uint8Array(1e6);
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 11; i++) controller.enqueue(chunk);
        controller.close();
      },
    });
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
    expect((await fetch(`${service.url}/detect`, init)).status).toBe(413);
  });

  it('as many as it has room for: one more gets 503, and who leaves makes room', async () => {
    const open = Array.from({ length: 16 }, () => {
      const upload = request(`${service.url}/detect`, {
        method: 'POST',
        agent: false,
        headers: { 'content-length': 9e6 },
      });
      upload.on('error', () => {});
      upload.write(image);
      return upload;
    });
    await service.until(({ uploads }) => uploads === 16);
    expect(await post(image)).toMatchObject({ status: 503, json: { error: expect.stringMatching(/try again/) } });
    for (const upload of open) upload.destroy();
    await service.until(({ uploads }) => uploads === 0);
    expect(await post(image)).toMatchObject({ status: 200 });
  });

  it('nothing of this is an error of the service', () => {
    expect(service.errors()).not.toMatch(/^\s+at /m);
  });
});

// Left out with the WebAssembly engine alone, which has no queue.
it.skipIf(!engineReady())('a client that leaves takes its waiting prediction away', async () => {
  const service = await start([writeSlowModel()]);
  const upload = (signal?: AbortSignal): Promise<Response> =>
    fetch(`${service.url}/detect`, { method: 'POST', body: new Uint8Array(image), signal });
  const milliseconds = async (work: () => Promise<Response>): Promise<number> => {
    const begun = performance.now();
    expect((await work()).status).toBe(200);
    return performance.now() - begun;
  };
  await upload();
  const once = await milliseconds(upload);
  const first = upload();
  const left = new AbortController();
  const others = Array.from({ length: 12 }, () => upload(left.signal));
  await service.until(({ uploads }) => uploads === 13);
  left.abort();
  for (const other of others) await expect(other).rejects.toThrow(/abort/);
  expect(await milliseconds(upload)).toBeLessThan(6 * once); // after the first, and not after twelve others
  expect((await first).status).toBe(200);
  await service.until(({ uploads }) => uploads === 0);
});

/** Small images, much to compute: about half a second for each. */
function writeSlowModel(): string {
  const conv = (channels: number, stride: number) => [-1, 1, 'Conv', [channels, 3, stride]];
  const backbone = [conv(128, 2), ...Array.from({ length: 12 }, () => conv(128, 1)), conv(16, 2), conv(16, 2)];
  const yaml = { nc: 1, backbone, head: [[[14], 1, 'Detect', ['nc']]] };
  const path = join(dir, 'slow.safetensors');
  const spec = parseModelYaml(yaml);
  const init = Object.entries(buildNetwork(spec).init(1));
  const weights = new Map(init.map(([name, array]) => [name, toFile(array)]));
  saveCheckpoint(path, { weights, names: ['thing'], yaml, info: {}, trainArgs: { imgsz: 256 } });
  return path;
}

describe('video', () => {
  it('50 viewers have the same frames, whenever they came; who leaves is forgotten', async () => {
    const service = await start([model, video], { FPS: '20' });
    const early = Array.from({ length: 40 }, () => new Viewer(service.url));
    await early[0].frame(10);
    const late = Array.from({ length: 10 }, () => new Viewer(service.url));
    await late[0].frame(10);
    await service.until(({ viewers }) => viewers === 50);
    const leaving = early.splice(30);
    for (const viewer of leaving) viewer.leave();
    await service.until(({ viewers }) => viewers === 40);
    const all = [...early, ...late];
    for (const viewer of all) expect(await viewer.end).toEqual({ frames: FRAMES });

    const truth = early[0].frames;
    const yolo = await YOLO.load(model);
    for await (const { frame, detections } of yolo.predict(video))
      if (truth.has(frame!))
        expect(JSON.parse(truth.get(frame!)!)).toEqual({ frame, width: 96, height: 64, detections });
    await yolo.dispose();
    for (const { frames } of all) {
      const [first] = frames.keys();
      expect([...frames.keys()]).toEqual(Array.from({ length: FRAMES - first + 1 }, (_, i) => first + i));
      for (const [frame, event] of frames) expect(truth.get(frame) ?? event).toBe(event);
    }
    for (const { frames } of late) expect([...frames.keys()][0]).toBeGreaterThanOrEqual(10);
    await service.until(({ viewers, playing }) => viewers === 0 && !playing);

    const next = new Viewer(service.url); // the video begins again
    await next.frame(1);
    expect([...next.frames.keys()][0]).toBe(1);
    next.leave();
    await service.until(({ playing }) => !playing); // nobody watches: nothing is predicted
    expect(await service.stop()).toBe(0);
    expect(service.errors()).not.toMatch(/^\s+at /m);
  });

  it('a viewer that reads nothing misses frames, and no other does', async () => {
    const long = join(dir, 'long.gif');
    await writeGif(long, moving(600));
    const chatty = join(dir, 'chatty.safetensors'); // 300 detections a frame: more than sockets hold, soon
    saveCheckpoint(chatty, { ...liveModel(3, 3), trainArgs: { imgsz: 320 } });
    const service = await start([chatty, long]);
    const slow = new Viewer(service.url);
    await slow.frame(1);
    slow.pause();
    const quick = new Viewer(service.url);
    expect(await quick.end).toEqual({ frames: 600 });
    const bytes = [...quick.frames.values()].reduce((sum, event) => sum + event.length, 0);
    expect(bytes).toBeGreaterThan(8e6);
    expect([...quick.frames.keys()].at(-1)).toBe(600);
    slow.resume();
    expect(await slow.end).toEqual({ frames: 600 });
    expect(slow.frames.size).toBeLessThan(quick.frames.size - 50);
  });
});
