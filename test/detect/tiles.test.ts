import { describe, expect, it } from 'vitest';
import { viewsOf } from '../../src/detect/tiles.js';

const tiling = (size: number, overlap: number) => ({ size, overlap });

describe('viewsOf', () => {
  it('an image that is not larger than a tile, or without tiling: only the whole image', () => {
    const whole = (width: number, height: number) => [{ left: 0, top: 0, width, height }];
    expect(viewsOf({ width: 640, height: 480 }, tiling(640, 0.2))).toEqual(whole(640, 480));
    expect(viewsOf({ width: 4000, height: 3000 })).toEqual(whole(4000, 3000));
  });

  it('1600x1000 in tiles of 640 that overlap by 0.2: the whole, then row by row, the last ones moved back', () => {
    const views = viewsOf({ width: 1600, height: 1000 }, tiling(640, 0.2));
    expect(views[0]).toEqual({ left: 0, top: 0, width: 1600, height: 1000 });
    expect(views.slice(1).map(({ left, top }) => [left, top])).toEqual([
      [0, 0],
      [512, 0],
      [960, 0],
      [0, 360],
      [512, 360],
      [960, 360],
    ]);
    expect(views.slice(1).every(({ width, height }) => width === 640 && height === 640)).toBe(true);
  });

  it.each([
    [641, 100, 640, 0.2],
    [1280, 1280, 640, 0],
    [1000, 333, 64, 0.5],
    [97, 101, 32, 0.99],
  ])(
    'of %i x %i, tile=%i tile_overlap=%f, cover every pixel, lie within and overlap enough',
    (width, height, size, overlap) => {
      const [, ...tiles] = viewsOf({ width, height }, tiling(size, overlap));
      const seen = new Uint8Array(width * height);
      for (const { left, top, ...tile } of tiles) {
        expect(tile).toEqual({ width: Math.min(size, width), height: Math.min(size, height) });
        expect(left >= 0 && top >= 0 && left + tile.width <= width && top + tile.height <= height).toBe(true);
        for (let y = top; y < top + tile.height; y++) seen.fill(1, y * width + left, y * width + left + tile.width);
      }
      expect(seen.every(Boolean)).toBe(true);
      const columns = [...new Set(tiles.map(({ left }) => left))];
      for (let i = 1; i < columns.length; i++)
        expect(columns[i - 1] + size - columns[i]).toBeGreaterThanOrEqual(Math.floor(size * overlap));
      expect(new Set(tiles.map(({ left, top }) => `${left} ${top}`)).size).toBe(tiles.length);
    },
  );

  it('refuses settings that give more than 10,000 tiles', () => {
    expect(() => viewsOf({ width: 4000, height: 3000 }, tiling(32, 0.9))).toThrow(
      expect.objectContaining({ code: 'too-many-tiles', message: expect.stringContaining('4000x3000') }),
    );
  });
});
