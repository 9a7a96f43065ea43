import { describe, expect, it } from 'vitest';
import { ResultLines } from '../../src/cli/commands/predict.js';
import type { PredictResult } from '../../src/core/types.js';

const person = { class: 0, name: 'person', confidence: 0.9, box: [0, 0, 1, 1] as [number, number, number, number] };
const result: PredictResult = {
  path: '/data/bus.jpg',
  width: 810,
  height: 1080,
  detections: [person, { ...person, class: 5, name: 'bus' }, person],
  speed: { preprocess: 1, inference: 36.42, postprocess: 1 },
};
const place = { source: 1, sources: 2, kind: 'image' as const, inputShape: [640, 480] as [number, number] };

const resultLine = (...args: Parameters<ResultLines['of']>): string => new ResultLines().of(...args).join('\n');

describe('the lines of a result', () => {
  it('says which image, the input size, what was found and how long it took', () => {
    expect(resultLine(result, { ...place, sources: 1 })).toBe(
      'image 1/1 /data/bus.jpg: 640x480 2 persons, 1 bus, 36.4ms',
    );
  });
  it('name a folder once', () => {
    const lines = new ResultLines();
    const of = (path: string) => lines.of({ ...result, path }, place).map((line) => line.replace(/:.*/, ''));
    expect(of('/data/a.jpg')).toEqual(['In /data/', 'image 1/2 a.jpg']);
    expect(of('/data/b.jpg')).toEqual(['image 1/2 b.jpg']);
    expect(of('c.jpg')).toEqual(['image 1/2 c.jpg']);
    expect(of('/data/d.jpg')).toEqual(['In /data/', 'image 1/2 d.jpg']);
  });
  it('numbers the frames of a video', () => {
    const line = resultLine({ ...result, frame: 3 }, { ...place, kind: 'video', frames: 41 });
    expect(line).toBe('In /data/\nvideo 1/2 (frame 3/41) bus.jpg: 640x480 2 persons, 1 bus, 36.4ms');
  });
  it('says when there is nothing', () => {
    expect(resultLine({ ...result, detections: [] }, place)).toContain('(no detections)');
  });
});
