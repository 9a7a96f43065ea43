/** Trails of tracked objects for drawing: their positions in the last frames. */
import { bottomCenter } from '../../core/boxes.js';
import type { Point } from '../../core/types.js';
import { classColor } from '../../render/palette.js';
import type { Polyline } from '../../render/polyline.js';
import type { Tracked } from '../../track/byte-tracker.js';

/** Maximum number of points of a trail. */
const LENGTH = 30;

/** Trails of one video. */
export class Trails {
  private readonly points = new Map<number, Point[]>();

  /**
   * @param objects of the next frame
   * @param alive ids of the tracks that can be detected again; the trails of all others are removed
   * @returns the trails of the objects in the frame, pixels
   */
  add(objects: readonly Tracked[], alive: ReadonlySet<number>): Polyline[] {
    for (const id of this.points.keys()) if (!alive.has(id)) this.points.delete(id);
    return objects.map(({ id, box }) => {
      const points = [...(this.points.get(id) ?? []), bottomCenter(box)].slice(-LENGTH);
      this.points.set(id, points);
      return { points, color: classColor(id) };
    });
  }
}
