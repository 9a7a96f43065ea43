/** Drawing of zones. */
import type { Size } from '../../core/boxes.js';
import type { Point } from '../../core/types.js';
import { canDraw } from '../../render/glyphs.js';
import type { Rgb } from '../../render/palette.js';
import type { Polyline } from '../../render/polyline.js';
import { pointsPx, type Zone, type ZoneCount } from '../../track/zones.js';

/** No track has this color. */
const COLOR: Rgb = [255, 255, 255];
/** Length of the mark at a line, as a fraction of the mean of image width and height. */
const MARK = 0.03;

/**
 * Outlines of zones, labelled with their counts.
 * @param image its size, pixels
 * @returns for a line also a mark at its middle, on the `in` side
 */
export function zoneLines(zones: readonly Zone[], counts: readonly ZoneCount[], image: Size): Polyline[] {
  return zones.flatMap((zone, i): Polyline[] => {
    const points = pointsPx(zone, image);
    const name = canDraw(zone.name) ? zone.name : `zone ${i + 1}`;
    const label = `${name}: ${describe(counts[i])}`;
    if (zone.type === 'polygon') return [{ points, color: COLOR, closed: true, label }];
    return [
      { points, color: COLOR, label },
      { points: markOf(points, MARK * ((image.width + image.height) / 2)), color: COLOR },
    ];
  });
}

/** From the middle of a line to its right side. */
function markOf([[x1, y1], [x2, y2]]: readonly Point[], length: number): Point[] {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const scale = length / Math.hypot(dx, dy);
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [
    [x, y],
    [x - dy * scale, y + dx * scale],
  ];
}

function describe(count: ZoneCount): string {
  return count.type === 'polygon' ? String(count.inside) : `${count.in} in, ${count.out} out`;
}
