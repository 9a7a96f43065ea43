/** Where tracked objects have been: the points on which they stood in the last frames, for drawing. */
import { bottomCenter } from '../../core/boxes.js';
import type { Point } from '../../core/types.js';
import { classColor } from '../../render/palette.js';
import type { Polyline } from '../../render/polyline.js';
import type { Tracked } from '../../track/byte-tracker.js';

/** Points of a trail. */
const LENGTH = 30;

/** The trails of one video. */
export class Trails {
  private readonly points = new Map<number, Point[]>();

  /**
   * @param objects of the next frame
   * @param alive tracks that may appear again; the others are forgotten
   * @returns the trails of the objects that are in the frame
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
