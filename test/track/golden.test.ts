import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Box } from '../../src/core/types.js';
import { ByteTracker, type TrackerSettings } from '../../src/track/byte-tracker.js';

interface Sequence {
  name: string;
  settings: TrackerSettings;
  /** Of each frame: x1 y1 x2 y2 confidence class. */
  detections: number[][][];
  /** Of each frame: x1 y1 x2 y2 id confidence class. */
  tracks: number[][][];
}

const sequences: Sequence[] = JSON.parse(readFileSync(new URL('../golden/tracking.json', import.meta.url), 'utf8'));

describe.each(sequences)('golden tracking, $name', ({ settings, detections, tracks }) => {
  const tracker = new ByteTracker(settings);
  const frames = detections.map((rows) =>
    tracker.update(
      rows.map((row) => ({ box: row.slice(0, 4) as Box, confidence: row[4], class: row[5], name: `${row[5]}` })),
    ),
  );

  it('the same tracks up to renaming, boxes within 0.02 pixels', () => {
    const names = new Map<number, number>();
    frames.forEach((found, f) => {
      expect(found.length, `frame ${f + 1}`).toBe(tracks[f].length);
      for (const [x1, y1, x2, y2, id, confidence, cls] of tracks[f]) {
        const same = found.find(({ box }) => [x1, y1, x2, y2].every((x, i) => Math.abs(x - box[i]) < 0.02));
        expect(same, `frame ${f + 1}, track ${id}`).toMatchObject({ class: cls });
        expect(same?.confidence).toBeCloseTo(confidence, 6);
        if (!names.has(id)) names.set(id, same!.id);
        expect(same!.id, `frame ${f + 1}, track ${id}`).toBe(names.get(id));
      }
    });
    expect(new Set(names.values()).size).toBe(names.size);
  });
});
