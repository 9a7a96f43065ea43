import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { encodeAnimation } from '../../src/image/codec.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();
const FRAMES = 8;

/** Two coloured rectangles that move over grey noise. */
function frame(t: number) {
  const random = rng(t);
  const [width, height] = [96, 64];
  const data = Uint8Array.from({ length: width * height * 3 }, () => 90 + random.int(40));
  const fill = ([x, y, w, h]: number[], color: number[]) => {
    for (let r = y; r < y + h; r++) for (let c = x; c < x + w; c++) data.set(color, (r * width + c) * 3);
  };
  fill([4 + 2 * t, 8, 24, 24], [230, 40, 40]);
  fill([60 - 2 * t, 34, 28, 22], [40, 60, 230]);
  return { data, width, height };
}

const yolo = (...args: string[]) => runCli(['track', ...args, 'model=small.safetensors', 'imgsz=96'], { cwd: dir });

describe('yolo track', () => {
  beforeAll(async () => {
    saveCheckpoint(join(dir, 'small.safetensors'), liveModel());
    const frames = Array.from({ length: FRAMES }, (_, t) => frame(t));
    writeFileSync(join(dir, 'moving.gif'), await encodeAnimation(frames, 10));
  });

  it('prints and writes the ids of a GIF, the same in every run', async () => {
    const run = await yolo('source=moving.gif', 'json', 'save_txt');
    expect(run.code, run.stderr).toBe(0);
    const results = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(results.map((result) => result.frame)).toEqual(Array.from({ length: FRAMES }, (_, t) => t + 1));
    const [first] = results[0].detections;
    expect(first).toEqual({ ...first, id: 1, confidence: expect.any(Number), box: expect.any(Array) });
    // What is found in the first frame is found again.
    expect(results.at(-1).detections.map(({ id }: { id: number }) => id)).toContain(1);
    const rows = readFileSync(join(dir, 'runs/detect/track/labels/moving_1.txt'), 'utf8').trim().split('\n');
    expect(rows.map((row) => Number(row.split(' ')[5]))).toEqual(
      results[0].detections.map((d: { id: number }) => d.id),
    );
    const again = await yolo('source=moving.gif', 'json', 'save=false');
    const detections = (text: string) => [...text.matchAll(/"detections":\[.*?\],"speed"/g)].map(([part]) => part);
    expect(detections(again.stdout)).toEqual(detections(run.stdout));
  });

  it('counts in zones', async () => {
    writeFileSync(join(dir, 'zones.yaml'), 'polygons:\n  all: [[0, 0], [1, 0], [1, 1], [0, 1]]\n');
    const { code, stdout, stderr } = await yolo('source=moving.gif', 'zones=zones.yaml', 'json', 'name=zones');
    expect(code, stderr).toBe(0);
    for (const line of stdout.trim().split('\n')) {
      const { detections, zones } = JSON.parse(line);
      const ids = detections.map(({ id }: { id: number }) => id);
      expect(zones).toEqual([{ name: 'all', type: 'polygon', inside: ids.length, ids }]);
    }
    expect(readFileSync(join(dir, 'runs/detect/zones/zones.csv'), 'utf8').split('\n')).toHaveLength(1 + FRAMES + 1);
  });

  it.each([
    [['source=moving.gif', 'zones=moving.gif'], /zones=moving.gif/],
    [
      ['source=moving.gif', 'tracker=botsort.yaml'],
      /BoT-SORT is not supported, only ByteTrack[\s\S]*tracker=bytetrack/,
    ],
    [[], /'source' is missing: what should be tracked\?\n.*yolo track model=/],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await yolo(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
