import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { glob } from '../../src/data/glob.js';
import { type SourceInput, sourcesOf } from '../../src/data/program-source.js';
import { listSources } from '../../src/data/source-list.js';
import { type Failure, type Frame, readSources } from '../../src/data/sources.js';
import { encodeAnimation, encodeImage } from '../../src/image/codec.js';
import { hasFfmpeg } from '../../src/image/ffmpeg.js';
import { createVideo, readVideo, videoInfo, webcamArguments } from '../../src/image/video.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const flat = (v: number, width = 32, height = 16) => ({
  data: new Uint8Array(width * height * 3).fill(v),
  width,
  height,
});
let server: Server;
let base: string;

beforeAll(async () => {
  mkdirSync(join(dir, 'images/deeper'), { recursive: true });
  const jpg = await encodeImage(flat(50), 'jpg');
  for (const name of ['b.jpg', 'a.JPG', 'deeper/c.jpg', '.hidden.jpg']) writeFileSync(join(dir, 'images', name), jpg);
  writeFileSync(join(dir, 'images/broken.png'), 'no image');
  writeFileSync(join(dir, 'images/notes.md'), 'no image either');
  writeFileSync(join(dir, 'moving.webp'), await encodeAnimation([flat(1), flat(90), flat(180), flat(250)], 4));
  server = createServer((request, response) => {
    if (request.url === '/x.jpg') response.setHeader('content-type', 'image/jpeg').end(jpg);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

async function read(source: SourceInput, stride = 1): Promise<(Frame | Failure)[]> {
  const out: (Frame | Failure)[] = [];
  for await (const one of readSources(await sourcesOf(source), { stride })) out.push(one);
  return out;
}
const names = (found: (Frame | Failure)[]): string[] =>
  found.map((f) => `${f.path.replace(`${dir}/`, '')}${'error' in f ? ' broken' : ''}`);

describe('listSources and readSources', () => {
  it('a folder: its images in order of name, without hidden ones and subfolders; a broken one is told and passed over', async () => {
    const found = await read(join(dir, 'images'));
    expect(names(found)).toEqual(['images/a.JPG', 'images/b.jpg', 'images/broken.png broken']);
    expect(found[2]).toMatchObject({ error: { code: 'broken-image' } });
  });

  it('globs', async () => {
    expect(names(await read(join(dir, 'images/*.jpg')))).toEqual(['images/b.jpg']);
    expect(names(await read(join(dir, '**/*.jpg')))).toEqual(['images/b.jpg', 'images/deeper/c.jpg']);
    expect(glob(join(dir, 'images/{a,b}.*')).length).toBe(2);
    expect(glob(join(dir, 'imag*/[!b].J?G')).length).toBe(1);
    expect(glob(join(dir, 'images')).length).toBe(0);
    const odd = join(tmpDir(), '!set (1)');
    mkdirSync(odd);
    for (const name of ['b.jpg', 'a.jpg', '.c.jpg']) writeFileSync(join(odd, name), '');
    expect(glob(join(odd, '*.jpg'))).toEqual([join(odd, 'a.jpg'), join(odd, 'b.jpg')]);
    expect(glob(join(odd, '.*'))).toEqual([join(odd, '.c.jpg')]);
    expect(glob(join(dir, 'images/*.jpg'), 'win32').map((path) => path.slice(-5))).toEqual(['a.JPG', 'b.jpg']);
    expect(glob(join(dir, 'images/*.jpg').replaceAll('/', '\\'), 'win32').length).toBe(2);
    await expect(listSources(join(dir, '*.tif'))).rejects.toMatchObject({ code: 'missing-source' });
  });

  it('lists: .txt beside its images, .csv with a heading, missing lines told and passed over', async () => {
    writeFileSync(join(dir, 'list.txt'), `# a list\nimages\\b.jpg\n\n${join(dir, 'images/a.JPG')}\nimages/none.jpg\n`);
    expect(names(await read(join(dir, 'list.txt')))).toEqual([
      'images/b.jpg',
      'images/a.JPG',
      'images/none.jpg broken',
    ]);
    writeFileSync(join(dir, 'list.csv'), `Source,label\n"images/b.jpg",1\nimages/a.JPG,2\n`);
    expect(names(await read(join(dir, 'list.csv')))).toEqual(['images/b.jpg', 'images/a.JPG']);
    writeFileSync(join(dir, 'empty.txt'), '\n');
    await expect(listSources(join(dir, 'empty.txt'))).rejects.toMatchObject({ code: 'missing-source' });
  });

  it('addresses; one that fails is told and passed over', async () => {
    const found = await read([`${base}/x.jpg`, `${base}/none.jpg`]);
    expect(found.map((f) => 'error' in f)).toEqual([false, true]);
    expect((found[1] as Failure).error.message).toContain('/none.jpg');
  });

  it('bytes, pixels and several of these from a program', async () => {
    const bytes = await encodeImage(flat(3), 'png');
    const found = await read([bytes, flat(200), join(dir, 'images/b.jpg')]);
    expect(names(found)).toEqual(['image0', 'image1', 'images/b.jpg']);
    expect((found[1] as Frame).image.data[0]).toBe(200);
    await expect(sourcesOf({ data: new Uint8Array(5), width: 2, height: 2 })).rejects.toMatchObject({
      code: 'bad-pixels',
    });
  });

  it('an animation: numbered frames, the last of every n', async () => {
    const found = (await read(join(dir, 'moving.webp'), 2)) as Frame[];
    expect(found.map((f) => f.frame)).toEqual([1, 2]);
    expect(found.map((f) => Math.round(f.image.data[0] / 10))).toEqual([9, 25]);
    expect(found[0].moving).toMatchObject({ kind: 'animation', fps: 2, frames: 2 });
  });

  it('what is not there is told at once', async () => {
    await expect(listSources(join(dir, 'none.jpg'))).rejects.toMatchObject({ code: 'missing-source' });
    const empty = tmpDir();
    await expect(listSources(empty)).rejects.toThrow(empty);
    await expect(listSources('https://www.youtube.com/watch?v=x')).rejects.toMatchObject({ code: 'no-youtube' });
  });

  it('cameras and network streams are known by their form', async () => {
    expect(await listSources('0')).toEqual([{ kind: 'camera', path: '0', index: 0 }]);
    expect(await listSources('rtsp://host/stream')).toEqual([{ kind: 'stream', path: 'rtsp://host/stream' }]);
    expect(webcamArguments(1, 'linux')).toContain('/dev/video1');
    expect(() => webcamArguments(0, 'win32')).toThrow(/Linux and macOS/);
  });

  it('leaving the loop early leaves nothing open', async () => {
    for await (const _ of readSources(await listSources(join(dir, 'moving.webp')))) break;
  });
});

describe('video', () => {
  it('speed and length are read from what ffmpeg says', () => {
    const text =
      '  Duration: 00:01:03.50, start: 0\n  Stream #0:0: Video: h264 (High), yuv420p, 640x480, 29.97 fps, 30 tbr\n';
    expect(videoInfo(text)).toEqual({ fps: 29.97, frames: 1903 });
    expect(videoInfo('nothing')).toEqual({ fps: 25 });
  });

  it('without ffmpeg: one message that says what to install', async () => {
    const { FFMPEG_PATH } = process.env;
    process.env.FFMPEG_PATH = join(dir, 'no-ffmpeg-here');
    try {
      await expect(readVideo('x.mp4').next()).rejects.toMatchObject({
        code: 'no-ffmpeg',
        hint: expect.stringContaining('install'),
      });
    } finally {
      if (FFMPEG_PATH === undefined) delete process.env.FFMPEG_PATH;
      else process.env.FFMPEG_PATH = FFMPEG_PATH;
    }
  });

  it('frames that were written come back, with odd sides and a stride', async ({ skip }) => {
    if (!(await hasFfmpeg())) skip();
    const path = join(dir, 'odd.mp4');
    const video = await createVideo(path, 33, 17, 10);
    for (let i = 0; i < 7; i++) await video.write(flat(i * 30, 33, 17));
    await expect(video.write(flat(0, 5, 5))).rejects.toMatchObject({ code: 'frame-size' });
    await video.close();
    const found = (await read(path, 3)) as Frame[];
    expect(found.map((f) => f.frame)).toEqual([1, 2]);
    expect(found.map((f) => [f.image.width, f.image.height])).toEqual(Array(2).fill([34, 18]));
    for (const [i, f] of found.entries())
      expect(Math.abs(f.image.data[3 * 34 * 8 + 30] - (60 + i * 90))).toBeLessThan(6);
    expect(found[0].moving).toMatchObject({ kind: 'video', fps: 10 / 3 });
  });

  it('a file that is no video is told and passed over', async ({ skip }) => {
    if (!(await hasFfmpeg())) skip();
    writeFileSync(join(dir, 'no.mp4'), 'text');
    expect(names(await read(join(dir, 'no.mp4')))).toEqual(['no.mp4 broken']);
  });
});
