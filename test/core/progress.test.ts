import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ProgressEvent, progress } from '../../src/core/progress.js';

const events: ProgressEvent[] = [];
const before = progress.setSink(() => {});

beforeEach(() => {
  progress.setSink((event) => events.push(event));
});

afterEach(() => {
  progress.setSink(before);
  events.length = 0;
});

it('a piece of work starts, goes on and ends; a total that becomes known stays known', async () => {
  const result = await progress.track({ label: 'Fetching a', unit: 'bytes' }, async (update) => {
    update(1);
    update(2, 4);
    update(3);
    return 'done';
  });
  expect(result).toBe('done');
  const seen = events.map(({ state, done, total }) => [state, done, total]);
  expect(seen).toEqual([
    ['start', 0, undefined],
    ['update', 1, undefined],
    ['update', 2, 4],
    ['update', 3, 4],
    ['end', 3, 4],
  ]);
  expect(new Set(events.map(({ id, label, unit }) => [id, label, unit].join())).size).toBe(1);
});

it('work that fails has ended, too, and two pieces of work can be told apart', async () => {
  const work = { label: 'Scanning train', unit: 'images', total: 2 } as const;
  const failing = progress.track(work, () => Promise.reject(new Error('unreadable')));
  await expect(failing).rejects.toThrow('unreadable');
  await progress.track(work, () => {});
  expect(events.map(({ state }) => state)).toEqual(['start', 'end', 'start', 'end']);
  expect(new Set(events.map(({ id }) => id)).size).toBe(2);
});
