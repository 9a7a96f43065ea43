/**
 * Boxes: their forms and units, areas and overlaps, and the letterbox transform with its inverse. Whatever calculates with
 * boxes outside of a network does it here; browsers run it, too.
 *
 * Forms: xyxy is left, top, right, bottom; xywh is centre, width, height; ltwh is left, top, width, height (COCO's). Units: Px
 * are pixels, Norm are parts of the image, 0..1. Functions that take an array and an offset read four numbers there.
 */
import { roundHalfEven } from './round.js';
import type { Box } from './types.js';

/** Numbers in a row of labels: class and box. */
export const LABEL = 5;
/** Numbers in a row of detections: x1 y1 x2 y2 confidence class. */
export const DETECTION = 6;

export interface Size {
  width: number;
  height: number;
}

export type Xywh = [cx: number, cy: number, w: number, h: number];
export type Ltwh = [left: number, top: number, w: number, h: number];

export function xywhToXyxy(boxes: ArrayLike<number>, at = 0): Box {
  const [halfW, halfH] = [boxes[at + 2] / 2, boxes[at + 3] / 2];
  return [boxes[at] - halfW, boxes[at + 1] - halfH, boxes[at] + halfW, boxes[at + 1] + halfH];
}

export function xyxyToXywh(boxes: ArrayLike<number>, at = 0): Xywh {
  const [x1, y1, x2, y2] = [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]];
  return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1];
}

export function ltwhToXyxy([left, top, w, h]: readonly number[]): Box {
  return [left, top, left + w, top + h];
}

export function xyxyToLtwh([x1, y1, x2, y2]: readonly number[]): Ltwh {
  return [x1, y1, x2 - x1, y2 - y1];
}

/** Any of the forms. @param size of the image */
export function normToPx([a, b, c, d]: Box | Xywh, { width, height }: Size): Box {
  return [a * width, b * height, c * width, d * height];
}

/** Any of the forms. @param size of the image */
export function pxToNorm([a, b, c, d]: Box | Xywh, { width, height }: Size): Box {
  return [a / width, b / height, c / width, d / height];
}

/** A column of predictions [4.., A], xywh, as xyxy at `out[at…]`. */
export function columnToXyxy(data: Float32Array, A: number, column: number, out: Float32Array, at: number): void {
  const [cx, cy] = [data[column], data[A + column]];
  const [halfW, halfH] = [data[2 * A + column] / 2, data[3 * A + column] / 2];
  out[at] = cx - halfW;
  out[at + 1] = cy - halfH;
  out[at + 2] = cx + halfW;
  out[at + 3] = cy + halfH;
}

/** How an image lies in the network's input: pixel of the input = pixel of the image · ratio + padding. */
export interface Placement {
  ratioX: number;
  ratioY: number;
  padX: number;
  padY: number;
}

const UNMOVED: Placement = { ratioX: 1, ratioY: 1, padX: 0, padY: 0 };

/**
 * Labels as files hold them in pixels of the image, or of the network's input that it is placed in.
 * @param labels [M, 5] class xywh, parts of the image
 * @param image its size, pixels
 * @param out where to write; default: a new Float32Array
 * @returns [M, 5] class xyxy, pixels
 */
export function labelsToPx<T extends Float32Array | Float64Array = Float32Array>(
  labels: Float32Array,
  { width, height }: Size,
  { ratioX, ratioY, padX, padY }: Placement = UNMOVED,
  out: T = new Float32Array(labels.length) as T,
): T {
  const [scaleX, scaleY] = [width * ratioX, height * ratioY];
  for (let i = 0; i < labels.length; i += LABEL) {
    const [cx, cy] = [labels[i + 1], labels[i + 2]];
    const [halfW, halfH] = [labels[i + 3] / 2, labels[i + 4] / 2];
    out[i] = labels[i];
    out[i + 1] = (cx - halfW) * scaleX + padX;
    out[i + 2] = (cy - halfH) * scaleY + padY;
    out[i + 3] = (cx + halfW) * scaleX + padX;
    out[i + 4] = (cy + halfH) * scaleY + padY;
  }
  return out;
}

/** A row of a label file: `class cx cy w h [confidence]`, parts of the image, six digits. @param box xyxy, pixels */
export function labelText(id: number, box: Box, image: Size, confidence?: number): string {
  const values = [...pxToNorm(xyxyToXywh(box), image), ...(confidence === undefined ? [] : [confidence])];
  return [id, ...values.map((value) => Number(value.toPrecision(6)))].join(' ');
}

/** Of an xyxy box. */
export function boxArea(boxes: ArrayLike<number>, at = 0): number {
  return (boxes[at + 2] - boxes[at]) * (boxes[at + 3] - boxes[at + 1]);
}

/** Area that two xyxy boxes share. */
export function boxIntersection(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  const w = Math.min(a[i + 2], b[j + 2]) - Math.max(a[i], b[j]);
  const h = Math.min(a[i + 3], b[j + 3]) - Math.max(a[i + 1], b[j + 1]);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

/** Intersection over union of two xyxy boxes; 0 where they share nothing. */
export function boxIou(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  return iouWith(a[i], a[i + 1], a[i + 2], a[i + 3], b, j);
}

/** As boxIou, of one box with each of many in a loop: a call of boxIntersection in it takes half as long again. */
export function iouWith(x1: number, y1: number, x2: number, y2: number, b: ArrayLike<number>, j: number): number {
  const w = Math.min(x2, b[j + 2]) - Math.max(x1, b[j]);
  const h = Math.min(y2, b[j + 3]) - Math.max(y1, b[j + 1]);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / ((x2 - x1) * (y2 - y1) + boxArea(b, j) - w * h);
}

export interface LetterboxOptions {
  /** Pads only to the next multiple of `stride` instead of to the whole shape (`rect`). */
  auto?: boolean;
  /** Default 32. */
  stride?: number;
  /** Enlarges small images. Default: true. */
  scaleUp?: boolean;
  /** Padding on both sides; else right and below only. Default: true. */
  center?: boolean;
}

/** How an image lies in the network's input, and how large both are, in pixels of that input. */
export interface LetterboxTransform extends Placement {
  /** Size of the input, padding included. */
  width: number;
  height: number;
  /** Size of the scaled image in it. */
  innerWidth: number;
  innerHeight: number;
}

/**
 * Works out where an image of this size goes. Formulas as in Ultralytics 8.4 (LetterBox, and scale_boxes for the ratio of
 * each side after rounding; the rounding of the two paddings is YOLOv5's and v8's).
 * @param shape [height, width] of the network's input
 */
export function letterboxTransform(
  image: Size,
  shape: readonly [height: number, width: number],
  { auto = false, stride = 32, scaleUp = true, center = true }: LetterboxOptions = {},
): LetterboxTransform {
  let ratio = Math.min(shape[0] / image.height, shape[1] / image.width);
  if (!scaleUp) ratio = Math.min(ratio, 1);
  // A sliver of an image keeps at least one row or column.
  const innerWidth = Math.max(roundHalfEven(image.width * ratio), 1);
  const innerHeight = Math.max(roundHalfEven(image.height * ratio), 1);
  let spareX = shape[1] - innerWidth;
  let spareY = shape[0] - innerHeight;
  if (auto) {
    spareX %= stride;
    spareY %= stride;
  }
  return {
    width: innerWidth + spareX,
    height: innerHeight + spareY,
    innerWidth,
    innerHeight,
    ratioX: innerWidth / image.width,
    ratioY: innerHeight / image.height,
    padX: center ? roundHalfEven(spareX / 2 - 0.1) : 0,
    padY: center ? roundHalfEven(spareY / 2 - 0.1) : 0,
  };
}

/**
 * Brings boxes back to the image, clipped to it, in place.
 * @param rows [N, columns] whose first four columns are x1 y1 x2 y2 in pixels of the network's input
 */
export function unletterbox(
  rows: Float32Array,
  columns: number,
  { ratioX, ratioY, padX, padY }: Placement,
  { width, height }: Size,
): Float32Array {
  for (let i = 0; i + 4 <= rows.length; i += columns) {
    for (let k = i; k < i + 4; k += 2) {
      rows[k] = Math.min(Math.max((rows[k] - padX) / ratioX, 0), width);
      rows[k + 1] = Math.min(Math.max((rows[k + 1] - padY) / ratioY, 0), height);
    }
  }
  return rows;
}

/** An image's size when its long side is brought to `imgsz`; the other one is rounded up (Ultralytics 8.4, load_image). */
export function withLongSide({ width, height }: Size, imgsz: number): Size {
  const ratio = imgsz / Math.max(width, height);
  return { width: Math.min(Math.ceil(width * ratio), imgsz), height: Math.min(Math.ceil(height * ratio), imgsz) };
}
