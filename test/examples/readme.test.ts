/** The command lines of examples/README.md, in a folder that has the files which they name. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeTorch } from '../../src/export/torch.js';
import { encodeImage } from '../../src/image/codec.js';
import { specOf } from '../../src/nn/weights.js';
import { writeGif } from '../helpers/gif.js';
import { liveModel } from '../helpers/live-model.js';
import { tmpDir } from '../helpers/tmp.js';
import { scene } from '../helpers/white-finder.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const dir = tmpDir();
const env = { ...process.env, PATH: `${join(dir, 'bin')}${delimiter}${process.env.PATH}` };
const servers: ChildProcess[] = [];
const blocks = [...readFileSync(join(ROOT, 'examples/README.md'), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)];
const [service, page] = blocks.map(([, block]) =>
  block
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+#\s.*$/, '').replace('npx ', '')),
);

beforeAll(async () => {
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'bin/yolo'), `#!/bin/sh\nexec "${process.execPath}" "${ROOT}bin/yolo.js" "$@"\n`);
  chmodSync(join(dir, 'bin/yolo'), 0o755);
  symlinkSync(join(ROOT, 'examples'), join(dir, 'examples'));
  const checkpoint = { ...liveModel(), trainArgs: { imgsz: 64 } };
  writeTorch(join(dir, 'yolov8n.pt'), specOf(checkpoint), checkpoint, checkpoint.names, { half: false, version: '0' });
  const image = scene(64, 64, [10, 10, 40, 40]);
  writeFileSync(join(dir, 'bus.jpg'), await encodeImage(image));
  await writeGif(join(dir, 'street.gif'), [image, scene(64, 64, [20, 20, 50, 50])]);
});
afterAll(() => {
  for (const server of servers) server.kill();
});

/** Starts a server line on a free port. @returns its address */
function begin(line: string): Promise<string> {
  const child = spawn('sh', ['-c', `exec env ${line.replace('8080', '0')}`], { cwd: dir, env });
  servers.push(child);
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text).trim().replace(/\/$/, '')));
    child.once('exit', (code) => reject(new Error(`${line} ended with code ${code}: ${errors}`)));
  });
}

function run(line: string): string {
  return execFileSync('sh', ['-c', line], { cwd: dir, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

const noCurl = spawnSync('curl', ['--version']).error !== undefined;

it.skipIf(noCurl)(`the service${noCurl ? ' (left out: there is no curl)' : ''}`, async () => {
  const [start, ...asks] = service;
  const url = await begin(start.replace('street.mp4', 'street.gif')); // not every machine has ffmpeg
  const [detected, watched] = asks.map((line) => run(line.replace('http://localhost:8080', url)));
  expect(JSON.parse(detected)).toMatchObject({ width: 64, height: 64 });
  expect(watched).toMatch(/^id: 1\ndata: .*\n\nid: 2\ndata: .*\n\nevent: end\ndata: {"frames":2}\n\n$/);
});

it('the page', async () => {
  const [start] = page.splice(-1);
  for (const line of page) run(line);
  const url = await begin(start);
  for (const file of ['video.html', 'yolo.js', 'model.json', 'tf/tf.min.js'])
    expect((await fetch(`${url}/${file}`)).status).toBe(200);
});
