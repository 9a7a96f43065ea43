import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { log } from '../../src/core/log.js';
import { download, fetchBytes } from '../../src/io/fetch.js';
import { fetchModel, findModelFile, weightsDir } from '../../src/io/model-files.js';
import { tmpDir } from '../helpers/tmp.js';

const data = Buffer.from('a file, '.repeat(10_000));
const sha256 = createHash('sha256').update(data).digest('hex');
let server: Server;
let base: string;
let answer: RequestListener;
let asked: string[];
let dest: string;

beforeEach(async () => {
  asked = [];
  dest = join(tmpDir(), 'x.bin');
  server = createServer((request, response) => {
    asked.push(request.url!);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const whole: RequestListener = (_, response) =>
  response.writeHead(200, { 'content-length': data.length, 'content-type': 'image/jpeg; q=1' }).end(data);
const folderOf = (path: string): string[] => readdirSync(join(path, '..'));

describe('download', () => {
  test('a file, its progress, hash and type; redirects are followed', async () => {
    answer = (request, response) =>
      request.url === '/a' ? response.writeHead(302, { location: '/b' }).end() : whole(request, response);
    const seen: [number, number?][] = [];
    const got = await download(`${base}/a`, dest, { sha256, onProgress: (...p) => seen.push(p) });
    expect(got).toEqual({ bytes: data.length, sha256, contentType: 'image/jpeg', url: `${base}/b` });
    expect(readFileSync(dest).equals(data)).toBe(true);
    expect(seen.at(-1)).toEqual([data.length, data.length]);
    expect(folderOf(dest)).toEqual(['x.bin']);
  });

  test('into memory', async () => {
    answer = whole;
    expect(Buffer.from((await fetchBytes(`${base}/a`)).data).equals(data)).toBe(true);
  });

  const failing: [string, RequestListener, Parameters<typeof download>[2], RegExp, number][] = [
    ['404', (_, r) => r.writeHead(404).end(), {}, /answered 404/, 1],
    ['503 three times', (_, r) => r.writeHead(503).end(), {}, /answered 503/, 3],
    ['wrong hash', whole, { sha256: '0'.repeat(64) }, /sha256 .* was expected/, 1],
    ['too large by its own word', whole, { maxBytes: 1000 }, /at most 1000/, 1],
    ['too large without a word', (_, r) => r.writeHead(200).end(data), { maxBytes: 1000 }, /at most 1000/, 1],
    [
      'connection cut in the middle',
      (_, r) => r.writeHead(200, { 'content-length': data.length }).write(data.subarray(0, 100), () => r.destroy()),
      {},
      /cannot fetch/,
      3,
    ],
    ['nothing comes', () => undefined, { stallMs: 100, retries: 1 }, /no data received for 0\.1 s/, 2],
    ['endless redirects', (_, r) => r.writeHead(302, { location: '/a' }).end(), { retries: 0 }, /cannot fetch/, 21],
    [
      'redirect to a file',
      (_, r) => r.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      { retries: 0 },
      /cannot fetch/,
      1,
    ],
  ];
  for (const [what, behaviour, options, message, requests] of failing) {
    test(`${what}: one message, nothing left behind`, async () => {
      answer = behaviour;
      writeFileSync(dest, 'old');
      await expect(download(`${base}/a`, dest, options)).rejects.toThrow(
        expect.objectContaining({ name: 'UserError', message: expect.stringMatching(message) }),
      );
      expect(asked.length).toBe(requests);
      expect(readFileSync(dest, 'utf8')).toBe('old');
      expect(folderOf(dest)).toEqual(['x.bin']);
    });
  }

  test('a connection that fails once is tried again', async () => {
    answer = (request, response) => (asked.length === 1 ? response.destroy() : whole(request, response));
    expect((await download(`${base}/a`, dest)).sha256).toBe(sha256);
  });

  test('a signal stops it', async () => {
    answer = () => undefined;
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await expect(download(`${base}/a`, dest, { signal: stop.signal })).rejects.toThrow('stopped');
    expect(existsSync(dest)).toBe(false);
  });

  test('what is no http address is refused', () =>
    expect(download('file:///etc/passwd', dest)).rejects.toThrow(/not an http/));
});

describe('released models', () => {
  let old: string | undefined;
  beforeEach(() => {
    old = process.env.YOLO_CACHE;
    process.env.YOLO_CACHE = tmpDir();
    log.setVerbose(false);
  });
  afterEach(() => {
    if (old === undefined) delete process.env.YOLO_CACHE;
    else process.env.YOLO_CACHE = old;
    log.setVerbose(true);
  });

  test('a file that differs from the release is not kept, and the message says where to put one', async () => {
    answer = whole;
    const failure = fetchModel('yolov8n.pt', { base });
    await expect(failure).rejects.toThrow(
      expect.objectContaining({ code: 'bad-download', hint: expect.stringContaining(weightsDir()) }),
    );
    expect(asked).toEqual(['/yolov8n.pt']);
    expect(findModelFile('yolov8n.pt')).toBe(undefined);
    expect(readdirSync(weightsDir())).toEqual([]);
  });

  test('offline: the message says where to put the file', async () => {
    const failure = fetchModel('yolov8s.pt', { base: 'http://127.0.0.1:1', retries: 0 });
    await expect(failure).rejects.toThrow(
      expect.objectContaining({
        code: 'no-network',
        exitCode: 1,
        hint: expect.stringContaining('model=/path/to/yolov8s.pt'),
      }),
    );
  });

  test('a cached copy is found; other names are never fetched', async () => {
    mkdirSync(weightsDir(), { recursive: true });
    writeFileSync(join(weightsDir(), 'yolov8m.pt'), 'x');
    writeFileSync(join(weightsDir(), 'other.pt'), 'x');
    expect(findModelFile('yolov8m.pt')).toBe(join(weightsDir(), 'yolov8m.pt'));
    expect(findModelFile('other.pt')).toBe(undefined);
    for (const name of ['other.pt', 'folder/yolov8n.pt', '../yolov8n.pt', 'toString'])
      await expect(fetchModel(name, { base })).rejects.toThrow(expect.objectContaining({ code: 'missing-file' }));
    expect(asked).toEqual([]);
  });
});
