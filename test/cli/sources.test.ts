import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage, encodeAnimation, encodeImage } from '../../src/image/codec.js';
import { hasFfmpeg, startFfmpeg } from '../../src/image/ffmpeg.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliOptions, type CliRun, runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const SIDE = 64;
const FRAMES = 10;
const grey = (level: number) => ({ data: new Uint8Array(SIDE * SIDE * 3).fill(level), width: SIDE, height: SIDE });

describe('sources of predict', () => {
  const dir = tmpDir();
  const model = join(dir, 'model.safetensors');

  beforeAll(async () => {
    saveCheckpoint(model, liveModel());
    mkdirSync(join(dir, 'more'));
    for (const name of ['a.png', 'more/b.png', 'more/c,d.png'])
      writeFileSync(join(dir, name), await encodeImage(grey(80), 'png'));
    const frames = Array.from({ length: FRAMES }, (_, i) => grey(25 * i));
    writeFileSync(join(dir, 'moving.webp'), await encodeAnimation(frames, 10));
  });

  async function predict(source: string[], more: string[] = [], options: CliOptions = {}): Promise<CliRun> {
    const args = ['predict', `model=${model}`, 'imgsz=64', 'save=false', ...source, ...more];
    return runCli(args, { cwd: dir, ...options });
  }

  const names = ({ stdout }: CliRun): string[] =>
    stdout
      .split('\n')
      .map((line) => line.replace(/: .*/, ''))
      .filter(Boolean);

  it('several with commas, and a name that has one', async () => {
    const run = await predict(['source=a.png,more/c,d.png']);
    expect(run.stderr).toMatch(/source 'more\/c' does not exist/);
    expect(run.code).toBe(2);
    const good = await predict(['source=a.png,', 'more/b.png,', 'more/*.png']);
    expect(good.code, good.stderr).toBe(0);
    expect(names(good)).toEqual([
      'image 1/4 a.png',
      'In more/',
      'image 2/4 b.png',
      'image 3/4 b.png',
      'image 4/4 c,d.png',
    ]);
    const whole = await predict(['source=more/c,d.png']);
    expect(names(whole)).toEqual(['image 1/1 more/c,d.png']);
  });

  it('vid_stride=3 takes frames 3, 6 and 9 of ten', async () => {
    const run = await predict(
      ['source=moving.webp'],
      ['vid_stride=3', 'save_frames=true', 'show_boxes=false', 'show_labels=false', 'name=s'],
    );
    expect(run.code, run.stderr).toBe(0);
    const folder = join(dir, 'runs', 'detect', 's', 'moving_frames');
    const levels = await Promise.all(
      readdirSync(folder)
        .sort()
        .map(async (file) => Math.round((await decodeImage(join(folder, file))).data[0] / 25)),
    );
    expect(levels).toEqual([2, 5, 8]);
    const none = await predict(['source=moving.webp'], ['vid_stride=11']);
    expect(none.stderr).toContain('moving.webp has fewer frames than vid_stride');
    expect(none.code).toBe(1);
  });

  describe('videos', () => {
    let ffmpeg = false;
    let server: Server;
    let address: string;
    const asked: string[] = [];

    beforeAll(async () => {
      ffmpeg = await hasFfmpeg();
      if (!ffmpeg) return;
      for (const [name, codec] of [
        ['v.mp4', 'mpeg4'],
        ['v.mkv', 'ffv1'],
      ]) {
        const args = ['-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${SIDE}x${SIDE}`, '-r', '10'];
        const child = startFfmpeg(
          [...args, '-i', 'pipe:0', '-c:v', codec, join(dir, name)],
          ['pipe', 'ignore', 'pipe'],
        );
        for (let i = 0; i < FRAMES; i++) child.process.stdin?.write(grey(25 * i).data);
        child.process.stdin?.end();
        expect(await child.done, child.reason()).toBe(0);
      }
      writeFileSync(join(dir, 'two.streams'), '# cameras of the hall\nhttp://ADDRESS/v.mkv\nhttp://ADDRESS/v.mkv?2\n');
      server = createServer((request, response) => {
        asked.push(`${request.url} ${request.headers.range ?? ''}`);
        const name = request.url?.replace(/^\/|\?.*/g, '') ?? '';
        const type = name.startsWith('typed') ? 'video/mp4' : 'application/octet-stream';
        const file = readFileSync(join(dir, name.replace('typed', 'v.mp4')));
        // No parts, whatever is asked for.
        response.writeHead(200, { 'content-type': type, 'content-length': file.length }).end(file);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      writeFileSync(
        join(dir, 'two.streams'),
        readFileSync(join(dir, 'two.streams'), 'utf8').replaceAll('ADDRESS', address),
      );
    });
    afterAll(() => void server?.close());

    /** Numbers of the frames in the lines of a run. */
    const frames = ({ stdout }: CliRun) => [...stdout.matchAll(/\(frame (\d+)/g)].map(([, n]) => Number(n));
    const all = Array.from({ length: FRAMES }, (_, i) => i + 1);
    const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('.yolo-'));

    it.for(['v.mp4', 'typed'])('over HTTP from a server without ranges: %s', async (name, { skip }) => {
      if (!ffmpeg) skip();
      const run = await predict([`source=http://${address}/${name}`]);
      expect(run.code, run.stderr).toBe(0);
      expect(frames(run)).toEqual(all);
    });

    it.for(['v.mp4', 'v.mkv'])('on standard input: %s', async (name, { skip }) => {
      if (!ffmpeg) skip();
      const before = leftovers();
      const run = await predict(['source=-'], [], { input: readFileSync(join(dir, name)) });
      expect(run.code, run.stderr).toBe(0);
      expect(frames(run)).toEqual(all);
      expect(run.stdout).toContain('stdin: 64x64');
      expect(leftovers()).toEqual(before);
    });

    it('a .streams file: all of them together, each with its own video', async ({ skip }) => {
      if (!ffmpeg) skip();
      const run = await predict(['source=two.streams'], ['stream_buffer=true', 'save=true', 'name=two']);
      expect(run.code, run.stderr).toBe(0);
      const of = (source: number) =>
        frames({ ...run, stdout: run.stdout.replace(RegExp(`^video [^${source}].*`, 'gm'), '') });
      expect(of(1)).toEqual(all);
      expect(of(2)).toEqual(all);
      expect(readdirSync(join(dir, 'runs', 'detect', 'two')).sort()).toEqual(['v-2.mp4', 'v.mp4']);
    });
  });
});
