import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTracker } from '../../../src/engine/track/tracker-yaml.js';
import { TRACKER_DEFAULTS } from '../../../src/track/byte-tracker.js';
import { tmpDir } from '../../helpers/tmp.js';

function file(text: string): string {
  const path = join(tmpDir(), 'mine.yaml');
  writeFileSync(path, text);
  return path;
}

describe('tracker=', () => {
  it('bytetrack.yaml has every setting, with its default', () => {
    expect(readTracker('bytetrack.yaml')).toEqual(TRACKER_DEFAULTS);
  });
  it('a file of some settings lies over the defaults', () => {
    const mine = file('tracker_type: bytetrack\ntrack_buffer: 60\nfuse_score: False\n');
    expect(readTracker(mine)).toEqual({ ...TRACKER_DEFAULTS, track_buffer: 60, fuse_score: false });
  });
  it.each([
    ['botsort.yaml', /^tracker=botsort.yaml: BoT-SORT is not supported, only ByteTrack$/],
    ['nothing.yaml', /^tracker=nothing.yaml: there is no such file$/],
    [file('tracker_type: botsort\ngmc_method: sparseOptFlow\n'), /"botsort" is not supported, only ByteTrack$/],
    [file('track_bufer: 3\n'), /'track_bufer' is not a setting of ByteTrack. Similar: track_buffer$/],
    [file('match_thresh: 8\n'), /match_thresh takes a number from 0 to 1, got 8$/],
    [file('track_buffer: long\n'), /track_buffer takes an integer of at least 0, got '?"?long/],
    [file('- 1\n'), /should hold keys such as tracker_type/],
  ])('%s is refused', (tracker, message) => {
    expect(() => readTracker(tracker)).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
  });
});
