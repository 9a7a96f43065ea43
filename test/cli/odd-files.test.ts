import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeImage } from '../../src/image/codec.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { failingFiles } from '../helpers/faults.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliOptions, type CliRun, runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const STACK = /\n\s+at |bug/;
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="30000"><rect width="9" height="9"/></svg>';
const HEIC = '\0\0\0\x18ftypheic\0\0\0\0mif1heic';
const base = tmpDir();
let dir: string;
let jpg: Buffer;
let large: Buffer;
let model: string;

beforeAll(async () => {
  const image = { data: new Uint8Array(64 * 48 * 3).fill(90), width: 64, height: 48 };
  jpg = await encodeImage(image, 'jpg');
  large = await encodeImage({ data: new Uint8Array(128 * 96 * 3).fill(90), width: 128, height: 96 }, 'png');
  model = join(base, 'tiny.safetensors');
  saveCheckpoint(model, liveModel());
});

beforeEach(() => {
  dir = mkdtempSync(join(base, 'set-'));
  mkdirSync(join(dir, 'images/val'), { recursive: true });
  mkdirSync(join(dir, 'labels/val'), { recursive: true });
  for (const name of ['a', 'b', 'c']) {
    put(`images/val/${name}.jpg`, jpg);
    put(`labels/val/${name}.txt`, '0 0.5 0.5 0.2 0.2\n');
  }
  put('data.yaml', 'train: images/val\nval: images/val\nnames: [a]\n');
});

function put(name: string, content: string | Uint8Array): void {
  writeFileSync(join(dir, name), typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
}

const check = (options: CliOptions = {}): Promise<CliRun> =>
  runCli(['check', `data=${join(dir, 'data.yaml')}`, 'json=true'], options);
const predict = (source: string, options: CliOptions = {}): Promise<CliRun> =>
  runCli(['predict', `model=${model}`, `source=${source}`, 'imgsz=32', 'save=false', 'json=true'], {
    ...options,
    env: { YOLO_ENGINE: 'wasm', ...options.env },
  });
const report = ({ stdout }: CliRun) => JSON.parse(stdout);
const kinds = (run: CliRun): string[] => report(run).notes.map(({ kind }: { kind: string }) => kind);
const used = (run: CliRun): number => report(run).splits[0].images;
const results = ({ stdout }: CliRun): string[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).path.split('/').pop());

describe('a file that cannot be read now', () => {
  it.each([
    ['EIO' as const, /val\/a\.jpg$/, 'unreadable-image'],
    ['EACCES' as const, /val\/a\.txt$/, 'unreadable-label'],
  ])('is left out (%s of %s), and used again when it can be', async (code, pattern, kind) => {
    const first = await check({ node: failingFiles(code, pattern) });
    expect([used(first), kinds(first).includes(kind)]).toEqual([2, true]);
    expect(first.stdout).toContain(code);
    const second = await check();
    expect([used(second), kinds(second).includes(kind)]).toEqual([3, false]);
  });

  it('when it is a folder ends with one message', async () => {
    mkdirSync(join(dir, 'images/val/deep'));
    for (const run of [
      await check({ node: failingFiles('EACCES', /val\/deep$/) }),
      await predict(join(dir, 'images/val/deep'), { node: failingFiles('EACCES', /val\/deep$/) }),
    ]) {
      expect(run.stdout + run.stderr).toContain('val/deep cannot be listed: EACCES');
      expect(run.stderr).not.toMatch(STACK);
      expect(run.code).toBe(1);
    }
  });
});

describe('what is no plain file', () => {
  it('a pipe called .jpg is passed over in datasets, folders and globs, and refused as a source', async () => {
    expect(spawnSync('mkfifo', [join(dir, 'images/val/pipe.jpg'), join(dir, 'labels/val/b.fifo')]).status).toBe(0);
    rmSync(join(dir, 'labels/val/b.txt'));
    renameSync(join(dir, 'labels/val/b.fifo'), join(dir, 'labels/val/b.txt'));
    const checked = await check();
    expect([used(checked), kinds(checked).includes('unreadable-label')]).toEqual([2, true]);
    for (const source of [join(dir, 'images/val'), join(dir, 'images/*/*.jpg')])
      expect(results(await predict(source))).toEqual(['a.jpg', 'b.jpg', 'c.jpg']);
    const refused = await predict(join(dir, 'images/val/pipe.jpg'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is a pipe') });
    put('list.txt', 'images/val/pipe.jpg\n');
    expect(await predict(join(dir, 'list.txt'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is a pipe'),
    });
  });

  it('links in a circle are passed over; an image whose link leads nowhere is named', async () => {
    symlinkSync('circle', join(dir, 'images/val/circle'));
    symlinkSync('..', join(dir, 'images/val/up'));
    symlinkSync('gone.jpg', join(dir, 'images/val/link.jpg'));
    symlinkSync('ring.jpg', join(dir, 'images/val/ring.jpg'));
    const run = await check();
    expect(run.stderr).not.toMatch(STACK);
    expect(used(run)).toBe(3);
    expect(kinds(run)).toEqual(expect.arrayContaining(['missing-image', 'unreadable-image']));
    const predicted = await predict(join(dir, 'images/val/*'));
    expect(results(predicted)).toEqual(['a.jpg', 'b.jpg', 'c.jpg']);
    expect(predicted.stderr).not.toMatch(STACK);
  });
});

describe('images that are not what their names say', () => {
  it('an SVG called .jpg is refused; one called .svg is drawn', async () => {
    put('images/val/d.jpg', SVG);
    const checked = await check();
    expect(report(checked).notes.find(({ kind }: { kind: string }) => kind === 'broken-image').examples[0]).toMatch(
      /d\.jpg: can't be read as an image: its content is SVG/,
    );
    expect(await predict(join(dir, 'images/val/d.jpg'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/d\.jpg can't be read as an image: its content is SVG/),
    });
    put('small.svg', SVG.replaceAll('30000', '64'));
    expect(results(await predict(join(dir, 'small.svg')))).toEqual(['small.svg']);
    expect(await predict('-', { input: SVG })).toMatchObject({ code: 1, stdout: '' });
  });

  it('HEIC, JPEG 2000 and PPM beside JPEGs are passed over aloud', async () => {
    put('images/val/x.heic', HEIC);
    put('images/val/y.jp2', '\0\0\0\x0cjP  \r\n');
    put('images/val/z.ppm', 'P6\n1 1\n255\nabc');
    const said = /3 files of unsupported formats skipped \(heic, jp2, ppm\): .*x\.heic/;
    const checked = await check();
    expect([used(checked), kinds(checked).includes('unsupported-format')]).toEqual([3, true]);
    expect(checked.stdout).toMatch(said);
    const predicted = await predict(join(dir, 'images/val'));
    expect(results(predicted).length).toBe(3);
    expect(predicted.stderr).toMatch(said);
    const one = await predict(join(dir, 'images/val/x.heic'));
    expect(one).toMatchObject({ code: 1, stderr: expect.stringContaining('its content is HEIC') });
  });
});

describe('images that are larger than the memory allows', () => {
  it('are told by their header and left out, and used when the limit is raised', async () => {
    put('images/val/d.png', large);
    const env = { YOLO_MAX_MEGAPIXELS: '0.004' };
    const refused = await check({ env });
    expect([used(refused), kinds(refused).includes('large-image')]).toEqual([3, true]);
    expect(refused.stdout).toContain('128 x 96 pixels; at most 0.0040 megapixels are accepted');
    expect(used(await check())).toBe(4);
    const predicted = await predict(join(dir, 'images/val/d.png'), { env });
    expect(predicted).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('YOLO_MAX_MEGAPIXELS') });
  });

  it('are not decoded: a PNG of 3,600 megapixels, a millionth of them there', async () => {
    put('huge.png', hugePng(60_000));
    const { code, stderr } = await predict(join(dir, 'huge.png'), { node: ['--max-old-space-size=300'] });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/huge\.png has more than \d+ megapixels/),
    });
  });
});

function hugePng(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, Buffer.from(type), data, Buffer.alloc(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2], 8);
  const rows = deflateSync(Buffer.alloc(3600));
  return Buffer.concat([
    large.subarray(0, 8),
    chunk('IHDR', head),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
