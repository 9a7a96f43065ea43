import { describe, expect, it } from 'vitest';
import { mergeViews, type ViewDetections } from '../../src/detect/merge-views.js';
import { viewsOf } from '../../src/detect/tiles.js';

const image = { width: 1080, height: 600 };
const [whole, ...tiles] = viewsOf(image, { size: 600, overlap: 0.2 }); // from 0 and 480
const square = { width: 1000, height: 1000 };
const [wholeSquare, ...quarters] = viewsOf(square, { size: 600, overlap: 0.2 }); // from 0 and 400 in both directions

type Row = [x1: number, y1: number, x2: number, y2: number, confidence?: number, cls?: number];
const seen = (view: ViewDetections['view'], ...rows: Row[]): ViewDetections => ({
  view,
  rows: Float32Array.from(
    rows.flatMap(([x1, y1, x2, y2, confidence = 0.5, cls = 0]) => [x1, y1, x2, y2, confidence, cls]),
  ),
});
/** Of an object, what a view shows; undefined when it shows nothing. */
const shown = (
  { left, top, width, height }: ViewDetections['view'],
  [x1, y1, x2, y2, ...rest]: Row,
): Row | undefined => {
  const box = [Math.max(x1, left), Math.max(y1, top), Math.min(x2, left + width), Math.min(y2, top + height)];
  return box[0] < box[2] && box[1] < box[3] ? ([...box, ...rest] as Row) : undefined;
};
const allSeen = (views: ViewDetections['view'][], ...objects: Row[]): ViewDetections[] =>
  views.map((view) =>
    seen(view, ...objects.flatMap((object) => [shown(view, object)].filter((row) => row !== undefined))),
  );

function merged(found: ViewDetections[], of = image, options = {}): number[][] {
  const rows = mergeViews(found, of, options);
  return Array.from({ length: rows.length / 6 }, (_, i) =>
    [...rows.subarray(6 * i, 6 * i + 6)].map((value) => Math.round(value * 100) / 100),
  );
}

describe('mergeViews', () => {
  it('an object across two tiles is one, also when neither is the whole of it', () => {
    const object: Row = [300, 100, 900, 250, 0.5, 3];
    expect(merged(allSeen(tiles, object))).toEqual([object]);
    expect(merged(allSeen([whole, ...tiles], object))).toEqual([object]);
  });

  it('the most certain part gives the confidence and the sides that it sees', () => {
    const [left, right] = tiles;
    const found = [seen(left, [300, 100, 598, 250, 0.8]), seen(right, [481, 105, 900, 260, 0.6])];
    expect(merged(found)).toEqual([[300, 100, 900, 250, 0.8, 0]]);
  });

  it('an object across four tiles is one', () => {
    const object: Row = [200, 250, 800, 900];
    expect(merged(allSeen(quarters, object), square)).toEqual([[...object, 0.5, 0]]);
    expect(merged(allSeen([wholeSquare, ...quarters], object), square)).toEqual([[...object, 0.5, 0]]);
  });

  it('an object across a row of tiles is one, in whatever order its parts are certain', () => {
    const long = { width: 2000, height: 300 };
    const [, ...row] = viewsOf(long, { size: 500, overlap: 0.2 });
    const object: Row = [100, 50, 1900, 200];
    const certain = [0.9, 0.5, 0.6, 0.8, 0.7];
    const found = row.map((view, i) => {
      const [x1, y1, x2, y2] = shown(view, object)!;
      return seen(view, [x1, y1, x2, y2, certain[i]]);
    });
    expect(merged(found, long)).toEqual([[100, 50, 1900, 200, 0.9, 0]]);
  });

  it('without overlap, parts are joined through the whole image', () => {
    const wide = { width: 1200, height: 600 };
    const [all, ...halves] = viewsOf(wide, { size: 600, overlap: 0 });
    const object: Row = [300, 100, 900, 250];
    expect(merged(allSeen([all, ...halves], object), wide)).toEqual([[...object, 0.5, 0]]);
    expect(merged(allSeen(halves, object), wide)).toHaveLength(2);
  });

  it('two objects that overlap stay two: in one tile, in both, across the border, a small one in a large one', () => {
    const pairs: [Row, Row][] = [
      [
        [100, 100, 200, 200],
        [130, 100, 230, 200],
      ],
      [
        [520, 100, 560, 200],
        [530, 100, 570, 200],
      ],
      [
        [300, 100, 900, 250, 0.9],
        [350, 180, 950, 320, 0.8],
      ],
      [
        [300, 50, 900, 500, 0.9],
        [540, 300, 590, 400, 0.5],
      ],
    ];
    for (const [a, b] of pairs) {
      const found = merged(allSeen([whole, ...tiles], a, b));
      expect(
        found.map((row) => row.slice(0, 4)),
        String(a),
      ).toEqual([a.slice(0, 4), b.slice(0, 4)]);
    }
  });

  it('a part that is cut off and lies in an object goes; one that no border cuts stays', () => {
    const [, right] = tiles;
    const object = seen(whole, [400, 100, 700, 400, 0.9]);
    const [cut, free]: Row[] = [
      [right.left, 150, right.left + 40, 200],
      [right.left + 50, 150, right.left + 90, 200],
    ];
    expect(merged([object, seen(right, cut)])).toHaveLength(1);
    expect(merged([object, seen(right, free)])).toHaveLength(2);
  });

  it('classes are kept apart unless they suppress each other; at most max_det boxes stay, the most certain first', () => {
    const found = [
      seen(whole, [10, 10, 50, 50, 0.6, 1]),
      seen(tiles[0], [10, 10, 50, 50, 0.7, 2], [90, 9, 99, 19, 0.9]),
    ];
    expect(merged(found).map((row) => row[5])).toEqual([0, 2, 1]);
    expect(merged(found, image, { agnostic: true }).map((row) => row[5])).toEqual([0, 2]);
    expect(merged(found, image, { maxDet: 2 }).map((row) => row[4])).toEqual([0.9, 0.7]);
  });
});
