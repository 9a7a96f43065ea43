import { describe, expect, it } from 'vitest';
import { fromListed, type Origin } from '../../src/data/source-list.js';
import { unitStarts } from '../../src/data/source-units.js';

const origins = (names: string): Origin[] =>
  names
    .split(' ')
    .flatMap((name): Origin[] => (name === '0' ? [{ kind: 'camera', path: '0', index: 0 }] : fromListed(name, '.')));

describe('units that stay in one shard', () => {
  it.each([
    ['a.jpg b.jpg c.jpg', 1, [0, 1, 2]],
    ['a.jpg b.jpg c.jpg d.jpg e.jpg', 2, [0, 2, 4]],
    ['a.mp4 b.mp4 c.mp4', 16, [0, 1, 2]],
    ['a.jpg b.mp4 c.jpg d.gif e.jpg f.jpg', 3, [0, 1, 2, 5]],
    ['a.jpg rtsp://h/1 0 rtsp://h/2 b.jpg', 1, [0, 1, 4]],
    ['http://h/a.jpg http://h/b.mp4 b.jpg', 4, [0, 1, 2]],
  ])('%s with batch=%i begin at %j', (names, batch, starts) => {
    expect(unitStarts(origins(names), batch)).toEqual(starts);
  });
});
