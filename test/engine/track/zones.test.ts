import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { Sequences, type TrackResult } from '../../../src/engine/track/sequences.js';
import { track } from '../../../src/engine/track/track.js';
import { readZones } from '../../../src/engine/track/zones-yaml.js';
import { decodeImage, encodeImage } from '../../../src/image/codec.js';
import { TRACKER_DEFAULTS } from '../../../src/track/byte-tracker.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene, WhiteFinder } from '../../helpers/white-finder.js';

function file(text: string): string {
  const path = join(tmpDir(), 'zones.yaml');
  writeFileSync(path, text);
  return path;
}

describe('zones=', () => {
  it('reads polygons and lines, in fractions or pixels', () => {
    expect(
      readZones(file('polygons:\n  low: [[0, 0.5], [1, 0.5], [1, 1]]\nlines:\n  gate: [[0, 0], [1, 1]]\n')),
    ).toEqual([
      {
        name: 'low',
        type: 'polygon',
        points: [
          [0, 0.5],
          [1, 0.5],
          [1, 1],
        ],
        unit: 'fraction',
      },
      {
        name: 'gate',
        type: 'line',
        points: [
          [0, 0],
          [1, 1],
        ],
        unit: 'fraction',
      },
    ]);
    expect(readZones(file('lines:\n  gate: [[-10, 20], [300.5, 20]]\n'))).toEqual([
      {
        name: 'gate',
        type: 'line',
        points: [
          [-10, 20],
          [300.5, 20],
        ],
        unit: 'pixel',
      },
    ]);
  });
  it.each([
    ['polygon:\n  a: [[0, 0], [1, 0], [1, 1]]\n', /'polygon' is neither polygons nor lines. Similar: polygons/],
    ['lines:\n', /it has neither polygons nor lines/],
    ['', /should hold keys such as polygons and lines, but holds nothing/],
    ['lines: [[0, 0], [1, 1]]\n', /'lines' must hold names with their points, got \[\[0,0\],\[1,1\]\]/],
    ['polygons:\n  a: [[0, 0], [1, 1]]\n', /polygon 'a' takes at least three points \[x, y\], got \[\[0,0\],\[1,1\]\]/],
    ['lines:\n  a: [[0, 0], [1, 1], [0, 1]]\n', /line 'a' takes two points/],
    ['lines:\n  a: [[0, 0], [1, one]]\n', /line 'a' takes two points \[x, y\], got \[\[0,0\],\[1,"one"\]\]/],
    ['lines:\n  a: [[0, 0], [.inf, 1]]\n', /line 'a' takes two points/],
    ['lines:\n  a: [0, 0, 1, 1]\n', /line 'a' takes two points/],
    ['lines:\n  a:\n', /line 'a' takes two points \[x, y\], got null/],
    ['lines:\n  a: [[1, 1], [1, 1]]\n', /line 'a' has no length/],
    ['polygons:\n  a: [[0, 0], [1, 0], [0.5, 0]]\n', /polygon 'a' has no area/],
    ['polygons:\n  a: [[0, 0], [1, 1], [0.5, 0.5]]\n', /polygon 'a' has no area/],
    [
      'polygons:\n  a: [[0, 0], [1, 0], [1, 1]]\nlines:\n  a: [[0, 0], [1, 1]]\n',
      /a polygon and a line have the same name 'a'/,
    ],
    ['lines:\n  a: [[0, 0], [1, 1]]\n  b: [[0, 0], [9, 9]]\n', /'a' has fractions of the image size, 'b' has pixels/],
    ['lines: [[0, 0\n', /not valid YAML/],
  ])('%j is refused', (text, message) => {
    const path = file(text);
    expect(() => readZones(path)).toThrow(
      expect.objectContaining({ name: 'UserError', message: expect.stringMatching(message) }),
    );
  });
  it('a file that is not there is refused before the model is loaded', async () => {
    const config = resolveConfig('track', { model: 'nothing.pt', source: 'nothing.mp4', zones: 'nothing.yaml' });
    await expect(track(config).next()).rejects.toThrow(/^zones=nothing.yaml: there is no such file/);
  });
});

describe('counting', () => {
  /** A white rectangle that moves down over a line at y = 40 into a polygon. */
  const frames = Array.from({ length: 5 }, (_, t) => scene(96, 64, [30, 4 + 6 * t, 54, 28 + 6 * t]));
  const yaml =
    'polygons:\n  "low, part": [[0, 45], [96, 45], [96, 64], [0, 64]]\nlines:\n  gate: [[0, 40], [96, 40]]\n';

  it('is in the results, in zones.csv and in the drawing', async () => {
    const [folder, project] = [tmpDir(), tmpDir()];
    for (const [t, frame] of frames.entries()) writeFileSync(join(folder, `${t}.png`), await encodeImage(frame, 'png'));
    const keys = { model: 'white', imgsz: 96, project, zones: file(yaml) };
    const results: TrackResult[] = [];
    for await (const result of track(resolveConfig('track', { ...keys, source: folder }), {
      detector: new WhiteFinder(),
    }))
      results.push(result);
    const inside = (n: number) => ({ name: 'low, part', type: 'polygon', inside: n, ids: n ? [1] : [] });
    const gate = (n: number) => ({ name: 'gate', type: 'line', in: n, out: 0 });
    // The object stands at 28, 34, 40, 46, 52; the tracker is up to a pixel behind.
    expect(results.map(({ zones }) => zones?.[0])).toEqual([0, 0, 0, 1, 1].map(inside));
    expect(results.map(({ zones }) => zones?.[1]).at(1)).toEqual(gate(0));
    expect(results.map(({ zones }) => zones?.[1]).at(-1)).toEqual(gate(1));

    const rows = readFileSync(join(project, 'track', 'zones.csv'), 'utf8').split('\n');
    expect(rows).toHaveLength(1 + 2 * frames.length + 1);
    expect(rows[0]).toBe('path,frame,zone,type,inside,in,out');
    expect(rows.slice(-3)).toEqual([
      `${join(folder, '4.png')},,"low, part",polygon,1,,`,
      `${join(folder, '4.png')},,gate,line,,1,0`,
      '',
    ]);

    const drawn = await decodeImage(join(project, 'track', '0.png'));
    const at = (x: number, y: number) => [...drawn.data.subarray((y * 96 + x) * 3, (y * 96 + x) * 3 + 3)];
    expect(at(90, 40)).toEqual([255, 255, 255]);
    expect(at(90, 45)).toEqual([255, 255, 255]);
    expect(at(90, 50)).toEqual([0, 0, 0]);
  });

  it('without zones there are none', () => {
    const { step } = new Sequences(TRACKER_DEFAULTS, [], false);
    const frame = { path: 'a.png', source: 0, image: frames[0] };
    const speed = { preprocess: 0, inference: 0, postprocess: 0 };
    expect(step({ path: 'a.png', width: 96, height: 64, detections: [], speed }, frame).result).not.toHaveProperty(
      'zones',
    );
  });
});
