/**
 * Merges the detections of the views of an image (tiles and the whole image, tiles.ts) into detections of the image.
 *
 * An object may be detected in several views, and may be truncated by a tile. Two detections of one class from different
 * views are the same object if the IoU of their boxes, clipped to the intersection of the views, is above 0.5. This also
 * matches the parts of an object on both sides of a border, since neighbouring tiles overlap, and a part with the whole
 * object. Where tiles do not overlap, parts are matched through the detection in the whole image.
 *
 * As in non-maximum suppression, the box with the highest confidence is kept. Its truncated sides, those at an inner border
 * of its tile, are extended to those of the boxes that it is merged with. Truncated boxes of which more than half is inside
 * a merged box are dropped (SAHI's intersection over smaller area, restricted to truncated boxes: a small object in front
 * of a large one is kept). Detections of one view are never merged with each other: its NMS has compared them.
 */
import { boxArea, boxIntersection, boxIou, DETECTION, type Size } from '../core/boxes.js';
import type { Box } from '../core/types.js';
import type { NmsOptions } from './nms.js';
import type { View } from './tiles.js';

/** The detections in a view. */
export interface ViewDetections {
  view: View;
  /** [N, 6] x1 y1 x2 y2 (pixels of the image) confidence class */
  rows: Float32Array;
}

/** Threshold for the IoU of an object in two views, and for the fraction of a part inside its object (SAHI's default). */
const MATCH_THRESHOLD = 0.5;
/** A side this close to a border of its tile is truncated, as a fraction of the tile's size: boxes are not exact. */
const NEAR_BORDER = 0.01;

/** A detection and its truncated sides. */
interface Found {
  view: Box;
  box: Box;
  cut: [left: boolean, top: boolean, right: boolean, bottom: boolean];
  confidence: number;
  cls: number;
  merged: boolean;
}

/**
 * Merges the detections of all views.
 * @param found detections of each view
 * @param image size in pixels
 * @returns [N, 6] x1 y1 x2 y2 (pixels of the image) confidence class, by descending confidence
 */
export function mergeViews(
  found: readonly ViewDetections[],
  image: Size,
  { agnostic = false, maxDet = 300 }: Pick<NmsOptions, 'agnostic' | 'maxDet'>,
): Float32Array {
  if (found.length === 1) return found[0].rows;
  const all = found.flatMap((of) => detectionsOfView(of, image)).sort((a, b) => b.confidence - a.confidence);
  const rivalsOf = agnostic ? () => all : byClass(all);
  const rows: number[] = [];
  for (const first of all) {
    if (first.merged) continue;
    if (rows.length === maxDet * DETECTION) break;
    first.merged = true;
    rows.push(...mergedBox(first, rivalsOf(first)), first.confidence, first.cls);
  }
  return Float32Array.from(rows);
}

function detectionsOfView({ view, rows }: ViewDetections, image: Size): Found[] {
  const { left, top, width, height } = view;
  const area: Box = [left, top, left + width, top + height];
  const limits = [0, 0, image.width, image.height];
  const near = [width, height, width, height].map((side) => side * NEAR_BORDER);
  return Array.from({ length: rows.length / DETECTION }, (_, i): Found => {
    const [x1, y1, x2, y2, confidence, cls] = rows.subarray(i * DETECTION, (i + 1) * DETECTION);
    const box: Box = [x1, y1, x2, y2];
    const cut = area.map((border, side) => border !== limits[side] && Math.abs(box[side] - border) <= near[side]);
    return { view: area, box, cut: cut as Found['cut'], confidence, cls, merged: false };
  });
}

function byClass(all: readonly Found[]): (one: Found) => readonly Found[] {
  const groups = new Map<number, Found[]>();
  for (const one of all) {
    const group = groups.get(one.cls);
    if (group) group.push(one);
    else groups.set(one.cls, [one]);
  }
  return ({ cls }) => groups.get(cls) ?? [];
}

/** Marks all detections of the object of `first`. @param rivals by descending confidence @returns its merged box */
function mergedBox(first: Found, rivals: readonly Found[]): Box {
  const whole = { box: [...first.box] as Box, cut: [...first.cut] as Found['cut'] };
  const parts = [first];
  for (let i = 0; i < rivals.length; i++) {
    const rival = rivals[i];
    if (rival.merged || parts.some(({ view }) => view === rival.view)) continue;
    const agrees = parts.some((part) => sameObject(part, rival));
    if (!agrees && !isPartOf(rival, whole.box)) continue;
    rival.merged = true;
    if (!agrees || !extend(whole, rival)) continue;
    parts.push(rival);
    i = -1; // detections that did not match before may match this part
  }
  return whole.box;
}

/** Whether two detections match in the intersection of their views. */
function sameObject(a: Found, b: Found): boolean {
  if (boxIntersection(a.box, 0, b.box, 0) === 0) return false;
  const common = clip(a.view, b.view);
  return boxIou(clip(a.box, common), 0, clip(b.box, common), 0) > MATCH_THRESHOLD;
}

function isPartOf({ box, cut }: Found, whole: Box): boolean {
  return cut.includes(true) && boxIntersection(box, 0, whole, 0) > MATCH_THRESHOLD * boxArea(box);
}

function clip([x1, y1, x2, y2]: Box, to: Box): Box {
  return [Math.max(x1, to[0]), Math.max(y1, to[1]), Math.min(x2, to[2]), Math.min(y2, to[3])];
}

/** Extends truncated sides to those of another detection that extends further. @returns whether a side has changed */
function extend(whole: Pick<Found, 'box' | 'cut'>, { box, cut }: Found): boolean {
  let extended = false;
  for (let side = 0; side < 4; side++) {
    if (!whole.cut[side]) continue;
    const further = side < 2 ? box[side] < whole.box[side] : box[side] > whole.box[side];
    if (cut[side] && !further) continue;
    whole.box[side] = box[side];
    whole.cut[side] = cut[side];
    extended = true;
  }
  return extended;
}
