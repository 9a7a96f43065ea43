import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeImage } from '../../src/image/codec.js';
import { makeTar } from '../helpers/archives.js';
import { type CliRun, runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';
import { makeZip } from '../helpers/zip-writer.js';

const BIN = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));
const COUNT = 40;
type Files = { name: string; data: Uint8Array }[];

let server: Server;
let answer: (url: string, response: ServerResponse) => void;
let asked: string[];
let files: Files;
let dir: string;

beforeAll(async () => {
  const png = await encodeImage({ data: new Uint8Array(32 * 32 * 3).fill(90), width: 32, height: 32 }, 'png');
  files = Array.from({ length: COUNT }, (_, i) => [
    { name: `set/images/train/${i}.png`, data: png },
    { name: `set/labels/train/${i}.txt`, data: Buffer.from(`0 0.5 0.5 0.${i + 10} 0.5\n`) },
  ]).flat();
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request.url ?? '', response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => server.close());

beforeEach(() => {
  dir = tmpDir();
  asked = [];
});

/** A YAML in `dir` whose dataset is to be fetched. */
function yaml(archive: Buffer, name = 'set.zip', path = 'set'): string {
  answer = (_, response) => response.end(archive);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
  const file = join(dir, 'data.yaml');
  writeFileSync(file, `path: ${path}\ntrain: images/train\nval: images/train\nnames: [a]\ndownload: ${url}\n`);
  return file;
}

const check = (data: string, env: Record<string, string> = {}): Promise<CliRun> =>
  runCli(['check', `data=${data}`, 'json=true'], { env: { YOLO_CACHE: join(dir, 'cache'), ...env } });
const images = ({ stdout }: CliRun): number => JSON.parse(stdout).splits[0].images;
/** Everything in the folder, hidden things too. */
const there = (): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => !/^(cache|data\.yaml)/.test(name));

describe('a dataset that is fetched', () => {
  it.each([
    ['a zip with a folder of the dataset', () => makeZip(files), 'set.zip'],
    ['a .tar.gz', () => gzipSync(makeTar(files.map(({ name, data }) => [name, data]))), 'set.tar.gz'],
    ['a zip with one folder of another name', () => makeZip(renamed(/^set/, 'set-main')), 'set.zip'],
    ['a zip with what the folder is to hold', () => makeZip(renamed(/^set\//, '')), 'set.zip'],
  ])('%s is in place, and nothing else', async (_, archive, name) => {
    expect(images(await check(yaml(archive(), name)))).toBe(COUNT);
    expect(readdirSync(dir).sort()).toEqual(
      ['cache', 'data.yaml', 'set'].filter((entry) => existsSync(join(dir, entry))),
    );
    expect(readdirSync(join(dir, 'set')).sort()).toEqual(['images', 'labels']);
  });

  it('is added to what is in its folder, which stays as it is', async () => {
    const mine = join(dir, 'set/labels/train/0.txt');
    mkdirSync(join(dir, 'set/labels/train'), { recursive: true });
    writeFileSync(mine, '0 0.25 0.25 0.5 0.5\n');
    expect(images(await check(yaml(makeZip(files))))).toBe(COUNT);
    expect(readFileSync(mine, 'utf8')).toBe('0 0.25 0.25 0.5 0.5\n');
    expect(readdirSync(join(dir, 'set')).sort()).toEqual(['images', 'labels']);
  });

  it.each([
    ['an unsafe archive', () => [...files, { name: '../evil', data: Buffer.from('x') }], 'leads out'],
    [
      'an archive with a file in a file',
      () => [...files, { name: 'set/images/train/0.png/x', data: files[0].data }],
      'conflicts',
    ],
    ['an archive of something else', () => renamed(/images/, 'photos'), 'not what'],
  ])('%s leaves nothing to be used', async (_, content, message) => {
    const data = yaml(makeZip(content()));
    for (let run = 0; run < 2; run++) {
      const { code, stderr } = await check(data);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(there()).toEqual([]);
    }
  });

  it('that was killed while it was unpacked is not used', async () => {
    const many = Array.from({ length: 12 }, (_, k) => renamed(/train\//, `train/${k}-`)).flat();
    const data = yaml(makeZip(many));
    const child = spawn(process.execPath, [BIN, 'check', `data=${data}`]);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const unpacking = setInterval(() => {
      if (there().some((name) => name.endsWith('.png'))) child.kill('SIGKILL');
    }, 5);
    await ended;
    clearInterval(unpacking);
    expect(images(await check(data))).toBe(12 * COUNT);
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is fetched once by two processes: the second waits', async () => {
    const archive = makeZip(files);
    const data = yaml(archive);
    let release = (): void => {};
    answer = (_, response) => {
      release = () => response.end(archive);
    };
    const first = check(data);
    await until(() => asked.length > 0);
    const second = spawn(process.execPath, [BIN, 'check', `data=${data}`, 'json=true']);
    let [stdout, stderr] = ['', ''];
    second.stdout.on('data', (text) => {
      stdout += text;
    });
    second.stderr.on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise((resolve) => second.on('close', resolve));
    await until(() => stderr.includes('another process is downloading'));
    release();
    expect(images(await first)).toBe(COUNT);
    await ended;
    expect(JSON.parse(stdout).splits[0].images).toBe(COUNT);
    expect(asked.length).toBe(1);
  });

  it('is given up at the first Ctrl-C', async () => {
    const data = yaml(makeZip(files));
    answer = (_, response) => void response.writeHead(200, { 'content-length': 1e9 }).write('PK');
    const args = ['train', `data=${data}`, 'model=yolov8n.yaml', `project=${join(dir, 'runs')}`];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await until(() => asked.length > 0);
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(there()).toEqual([]);
  });

  it('is limited in size, says how to raise the limit, and is then not fetched again', async () => {
    const big = [...files, { name: 'set/zeros', data: Buffer.alloc(3e6), deflate: true }];
    const data = yaml(makeZip(big));
    const { code, stderr } = await check(data, { YOLO_MAX_UNPACKED_GB: '0.001' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/unpacks to 3\.\d MB; at most 1\.0 MB are accepted\n.*YOLO_MAX_UNPACKED_GB/s);
    expect(existsSync(join(dir, 'set'))).toBe(false);
    expect(images(await check(data, { YOLO_MAX_UNPACKED_GB: '1' }))).toBe(COUNT);
    expect(asked.length).toBe(1);
  });
});

function renamed(from: RegExp, to: string): Files {
  return files.map(({ name, data }) => ({ name: name.replace(from, to), data }));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((next) => setTimeout(next, 10));
}
