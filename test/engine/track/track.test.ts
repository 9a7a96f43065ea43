import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import type { SourceInput } from '../../../src/data/program-source.js';
import { sequencesFor, type TrackRunOptions, track } from '../../../src/engine/track/track.js';
import { encodeAnimation, encodeImage } from '../../../src/image/codec.js';
import { tmpDir } from '../../helpers/tmp.js';
import { scene, WhiteFinder } from '../../helpers/white-finder.js';

/** A white rectangle that moves to the right, 3 pixels a frame. */
const frames = Array.from({ length: 6 }, (_, t) => scene(96, 64, [8 + 3 * t, 16, 32 + 3 * t, 48]));
/** The same one far away. */
const elsewhere = Array.from({ length: 3 }, (_, t) => scene(96, 64, [60, 2 + t, 90, 20 + t]));

async function all(source: SourceInput, options: Record<string, unknown> = {}, more: TrackRunOptions = {}) {
  const config = resolveConfig('track', { model: 'white', save: false, imgsz: 96, ...options });
  const results = [];
  for await (const result of track(config, { source, detector: new WhiteFinder(), ...more })) results.push(result);
  return results;
}

async function folderWith(files: Record<string, Uint8Array>): Promise<string> {
  const dir = tmpDir();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  return dir;
}

const ids = (results: Awaited<ReturnType<typeof all>>) => results.map(({ detections }) => detections.map((d) => d.id));

describe('track', () => {
  it.each([1, 4])('an animation in batches of %i: one track, near the object in every frame', async (batch) => {
    const dir = await folderWith({ 'a.gif': await encodeAnimation(frames, 10) });
    const results = await all(dir, { batch });
    expect(ids(results)).toEqual(frames.map(() => [1]));
    results.forEach(({ frame, detections: [{ box, name }] }, t) => {
      expect(frame).toBe(t + 1);
      expect(name).toBe('white');
      for (const [i, x] of [8 + 3 * t, 16, 32 + 3 * t, 48].entries()) expect(Math.abs(box[i] - x)).toBeLessThan(3);
    });
  });

  it('begins anew with each video; images of a folder are one sequence', async () => {
    const [moving, other] = [await encodeAnimation(frames, 10), await encodeAnimation(elsewhere, 10)];
    const videos = await folderWith({ 'a.gif': moving, 'b.gif': other });
    expect(ids(await all(videos))).toEqual(Array(9).fill([1]));
    const names = frames.map((_, t) => `${t}.png`);
    const images = await Promise.all(frames.map((frame) => encodeImage(frame, 'png')));
    const folder = await folderWith(Object.fromEntries(names.map((name, t) => [name, images[t]])));
    expect(ids(await all(folder))).toEqual(frames.map(() => [1]));
    // A jump within the folder begins a track, which is certain in its second frame.
    writeFileSync(join(folder, '6.png'), await encodeImage(elsewhere[0], 'png'));
    writeFileSync(join(folder, '7.png'), await encodeImage(elsewhere[1], 'png'));
    expect(ids(await all(folder)).slice(-2)).toEqual([[], [2]]);
  });

  it('frame_2 of a folder or pattern comes before frame_10; a list stays as it is', async () => {
    const numbers = [1, 2, 9, 10, 11, 100];
    const names = numbers.map((n) => `frame_${n}.png`);
    const images = await Promise.all(frames.map((frame) => encodeImage(frame, 'png')));
    const folder = await folderWith(Object.fromEntries(names.map((name, t) => [name, images[t]])));
    const paths = names.map((name) => join(folder, name));
    for (const source of [folder, join(folder, '*.png'), [folder]]) {
      const results = await all(source);
      expect(results.map(({ path }) => path)).toEqual(paths);
      expect(ids(results)).toEqual(frames.map(() => [1]));
    }
    const list = join(tmpDir(), 'list.txt');
    writeFileSync(list, [...paths].reverse().join('\n'));
    expect((await all(list)).map(({ path }) => path)).toEqual([...paths].reverse());
  });

  it('persist: frame after frame in calls of their own, the same as all at once', async () => {
    const sequences = sequencesFor({ tracker: 'bytetrack.yaml', zones: null }, true);
    const single = [];
    for (const frame of frames) single.push(...(await all(frame, {}, { sequences })));
    const together = await all(frames);
    expect(single.map(({ detections }) => detections)).toEqual(together.map(({ detections }) => detections));
    expect(ids(single)).toEqual(frames.map(() => [1]));
  });

  it('writes ids into labels, crops by id, and the animation', async () => {
    const [dir, project] = [await folderWith({ 'a.gif': await encodeAnimation(frames, 10) }), tmpDir()];
    await all(dir, { save: true, save_txt: true, save_conf: true, save_crop: true, project });
    const run = join(project, 'track');
    for (let t = 1; t <= 6; t++) {
      const row = readFileSync(join(run, 'labels', `a_${t}.txt`), 'utf8');
      expect(row).toMatch(/^0( 0\.\d+){4} 0\.9\d* 1\n$/);
    }
    expect(readdirSync(join(run, 'crops', 'white', '1'))).toHaveLength(6);
    expect(readdirSync(run).filter((name) => /^a\.(mp4|webp)$/.test(name))).toHaveLength(1);
  });
});
