import { describe, expect, it } from 'vitest';
import type { Box, Detection } from '../../src/core/types.js';
import { ByteTracker, TRACKER_DEFAULTS } from '../../src/track/byte-tracker.js';

const at = (x: number, confidence = 0.9): Detection => ({
  class: 0,
  name: 'a',
  confidence,
  box: [x, 10, x + 40, 90] as Box,
});
const idsOf = (tracks: readonly { id: number }[]): number[] => tracks.map(({ id }) => id);

describe('ByteTracker', () => {
  it('begins at once in the first frame, later in the second frame of an object', () => {
    const tracker = new ByteTracker();
    expect(idsOf(tracker.update([at(0)]))).toEqual([1]);
    expect(idsOf(tracker.update([at(1), at(200)]))).toEqual([1]);
    expect(idsOf(tracker.update([at(2), at(201)]))).toEqual([1, 2]);
  });

  it('follows an object through uncertain detections, which begin no track', () => {
    const tracker = new ByteTracker();
    tracker.update([at(0)]);
    for (let x = 1; x < 5; x++) expect(idsOf(tracker.update([at(x, 0.15), at(300, 0.15)]))).toEqual([1]);
  });

  it.each([
    [30, 1],
    [31, 2],
  ])('finds an object again that was not seen in %i frames as track %i', (unseen, id) => {
    const tracker = new ByteTracker();
    for (let t = 0; t < 5; t++) tracker.update([at(0)]);
    for (let t = 0; t < unseen; t++) expect(tracker.update([])).toEqual([]);
    tracker.update([at(0)]);
    expect(idsOf(tracker.update([at(0)]))).toEqual([id]);
    expect([...tracker.ids()]).toEqual([id]);
  });

  it('track_buffer=0: what is not seen once is forgotten', () => {
    const tracker = new ByteTracker({ ...TRACKER_DEFAULTS, track_buffer: 0 });
    tracker.update([at(0)]);
    tracker.update([]);
    expect(tracker.ids().size).toBe(0);
  });

  it('passes over boxes without area', () => {
    const tracker = new ByteTracker();
    expect(tracker.update([{ ...at(0), box: [5, 10, 5, 90] }])).toEqual([]);
    expect(tracker.update([{ ...at(0), box: [5, 10, 45, 10] }])).toEqual([]);
  });
});
