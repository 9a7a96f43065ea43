import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { encodeImage } from '../../src/image/codec.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliRun, runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

/** What users of other YOLO tools write without thinking. */
describe('habits', () => {
  const dir = tmpDir();
  const env = { YOLO_CACHE: undefined as string | undefined };
  let server: Server;
  let address: string;
  let requests = 0;

  beforeAll(async () => {
    mkdirSync(join(dir, 'weights'));
    const best = join(dir, 'weights', 'best.safetensors');
    saveCheckpoint(best, liveModel());
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 31) & 255);
    for (const name of ['a', 'b', 'c'])
      writeFileSync(join(dir, `${name}.png`), await encodeImage({ data, width: 64, height: 64 }, 'png'));
    server = createServer((request, response) => {
      requests++;
      if (request.url?.startsWith('/best.safetensors')) response.end(readFileSync(best));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  async function lines(args: string[]): Promise<CliRun & { lines: string[] }> {
    const run = await runCli([...args, 'imgsz=64', 'save=false'], { cwd: dir, env });
    return { ...run, lines: run.stdout.split('\n').filter(Boolean) };
  }

  it('model=…/best.pt of a run is its best.safetensors; without a mode a source is predicted', async () => {
    const run = await lines(['model=weights/best.pt', 'source=a.png', 'classes=[0,999]']);
    expect(run.stderr).toMatch(/classes=\[999\]: the model has classes 0 to \d+; nothing is found for others/);
    expect(run.stderr).toContain('no mode given: using predict');
    expect(run.stderr).toContain('there is no weights/best.pt; using weights/best.safetensors');
    expect(run).toMatchObject({ code: 0, lines: [expect.stringContaining('a.png: 64x64')] });
  });

  it('a model at an address is fetched once', async () => {
    const cache = tmpDir();
    env.YOLO_CACHE = cache;
    try {
      for (let i = 0; i < 2; i++) {
        const run = await lines(['predict', `model=${address}/best.safetensors?download=1`, 'source=a.png']);
        expect(run.code, run.stderr).toBe(0);
      }
      expect(requests).toBe(1);
      const [folder] = readdirSync(join(cache, 'weights'));
      expect(readdirSync(join(cache, 'weights', folder))).toEqual(['best.safetensors']);
      const missing = await lines(['predict', `model=${address}/other.pt`, 'source=a.png']);
      expect(missing.stderr).toMatch(/cannot fetch .*other\.pt: the server answered 404/);
      expect(missing.code).toBe(1);
      const page = await lines(['predict', `model=${address}/page.html`, 'source=a.png']);
      expect(page.stderr).toMatch(/page\.html does not end in \.pt, \.safetensors, \.onnx/);
      expect(page.code).toBe(2);
    } finally {
      env.YOLO_CACHE = undefined;
    }
  });

  it.runIf(engineReady())('resume=…/best.pt means the file of this tool, too', async () => {
    const { stderr } = await runCli(['train', 'resume=weights/best.pt'], { cwd: dir });
    expect(stderr).toMatch(/weights\/best\.safetensors holds weights only/);
  });

  it.each<[string[], RegExp]>([
    [
      ['data=none.yaml', 'model=weights/best.safetensors'],
      /no mode given: using val\n[\s\S]*no dataset 'none\.yaml' found/,
    ],
    [['data=x.yaml', 'model=yolov8n.yaml', 'epochs=3'], /MODE is missing[\s\S]*Did you mean yolo train/],
    [['predict', 'model=yolov8q', 'source=a.png'], /there is no model file 'yolov8q'/],
  ])('%j', async (args, message) => {
    const { code, stderr } = await runCli(args, { cwd: dir });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
