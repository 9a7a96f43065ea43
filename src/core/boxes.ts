/**
 * Boxes: conversion between formats and units, areas, IoU, and the letterbox transform with its inverse. All box arithmetic
 * outside the network is here; it also runs in browsers.
 *
 * Formats: xyxy is left, top, right, bottom; xywh is centre, width, height; ltwh is left, top, width, height (as in COCO).
 * Units: Px is pixels, Norm is a fraction of the image size, 0..1. Functions with an array and an offset as arguments read
 * the four numbers at that offset.
 */
import { roundHalfEven } from './round.js';
import type { Box } from './types.js';

/** Columns of an array of labels: class and box. */
export const LABEL = 5;
/** Columns of an array of detections: x1 y1 x2 y2 confidence class. */
export const DETECTION = 6;

/** Size of an image, pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A box as centre and size. */
export type Xywh = [cx: number, cy: number, w: number, h: number];
/** A box as top left corner and size, COCO's format. */
export type Ltwh = [left: number, top: number, w: number, h: number];

/** @returns the box at `boxes[at…]` as xyxy, in the same unit */
export function xywhToXyxy(boxes: ArrayLike<number>, at = 0): Box {
  const [halfW, halfH] = [boxes[at + 2] / 2, boxes[at + 3] / 2];
  return [boxes[at] - halfW, boxes[at + 1] - halfH, boxes[at] + halfW, boxes[at + 1] + halfH];
}

/** @returns the box at `boxes[at…]` as xywh, in the same unit */
export function xyxyToXywh(boxes: ArrayLike<number>, at = 0): Xywh {
  const [x1, y1, x2, y2] = [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]];
  return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1];
}

/** @returns the box as xyxy, in the same unit */
export function ltwhToXyxy([left, top, w, h]: readonly number[]): Box {
  return [left, top, left + w, top + h];
}

/** @returns the box as ltwh, in the same unit */
export function xyxyToLtwh([x1, y1, x2, y2]: readonly number[]): Ltwh {
  return [x1, y1, x2 - x1, y2 - y1];
}

/** Converts a box of any format to pixels. @param size of the image @returns the box in the same format */
export function normToPx([a, b, c, d]: Box | Xywh, { width, height }: Size): Box {
  return [a * width, b * height, c * width, d * height];
}

/** Converts a box of any format to fractions of the image size. @param size of the image @returns the same format */
export function pxToNorm([a, b, c, d]: Box | Xywh, { width, height }: Size): Box {
  return [a / width, b / height, c / width, d / height];
}

/**
 * Converts the box of one anchor point.
 * @param data predictions [4 + K, A], the box in the first four rows, xywh
 * @param column of the anchor point
 * @param out receives the box as xyxy at `out[at…]`
 */
export function columnToXyxy(data: Float32Array, A: number, column: number, out: Float32Array, at: number): void {
  const [cx, cy] = [data[column], data[A + column]];
  const [halfW, halfH] = [data[2 * A + column] / 2, data[3 * A + column] / 2];
  out[at] = cx - halfW;
  out[at + 1] = cy - halfH;
  out[at + 2] = cx + halfW;
  out[at + 3] = cy + halfH;
}

/** Transform from the pixels of an image to those of the network's input: input = image · ratio + padding. */
export interface PixelTransform {
  ratioX: number;
  ratioY: number;
  padX: number;
  padY: number;
}

/** Pixels that stay what they are. */
export const NO_TRANSFORM: PixelTransform = { ratioX: 1, ratioY: 1, padX: 0, padY: 0 };

/**
 * Converts labels from the format of label files to pixels of the image or, with its transform, of the network's input.
 * @param labels [M, 5] class xywh, fractions of the image size
 * @param size of the image, pixels
 * @param transform from image to network input; default: identity
 * @param out receives the result; default: a new Float32Array
 * @returns [M, 5] class xyxy, pixels
 */
export function labelsToPx<T extends Float32Array | Float64Array = Float32Array>(
  labels: Float32Array,
  { width, height }: Size,
  { ratioX, ratioY, padX, padY }: PixelTransform = NO_TRANSFORM,
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

/** @param box xyxy, pixels @returns row of a label file: `class cx cy w h [confidence] [track]`, fractions, six digits */
export function labelText(cls: number, box: Box, image: Size, confidence?: number, track?: number): string {
  const values = [...pxToNorm(xyxyToXywh(box), image), ...(confidence === undefined ? [] : [confidence])];
  const digits = values.map((value) => Number(value.toPrecision(6)));
  return [cls, ...digits, ...(track === undefined ? [] : [track])].join(' ');
}

/** @param box xyxy @returns the point on which an object stands: the middle of the bottom side, in the same unit */
export function bottomCenter([x1, , x2, y2]: Box): [x: number, y: number] {
  return [(x1 + x2) / 2, y2];
}

/** @param box xyxy, pixels @returns the part of it that is inside the image */
export function clipBox([x1, y1, x2, y2]: Box, { width, height }: Size): Box {
  const within = (x: number, max: number): number => Math.min(Math.max(x, 0), max);
  return [within(x1, width), within(y1, height), within(x2, width), within(y2, height)];
}

/** Area of the xyxy box at `boxes[at…]`. */
export function boxArea(boxes: ArrayLike<number>, at = 0): number {
  return (boxes[at + 2] - boxes[at]) * (boxes[at + 3] - boxes[at + 1]);
}

/** Area of the intersection of the xyxy boxes at `a[i…]` and `b[j…]`. */
export function boxIntersection(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  const w = Math.min(a[i + 2], b[j + 2]) - Math.max(a[i], b[j]);
  const h = Math.min(a[i + 3], b[j + 3]) - Math.max(a[i + 1], b[j + 1]);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

/** Intersection over union of the xyxy boxes at `a[i…]` and `b[j…]`; 0 if they do not overlap. */
export function boxIou(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  return iouWith(a[i], a[i + 1], a[i + 2], a[i + 3], b, j);
}

/**
 * Intersection over union of box x1 y1 x2 y2 with the one at `b[j…]`. It repeats boxIntersection's arithmetic because in the
 * inner loops that call it (NMS, matching) a further function call takes 50 % longer.
 */
export function iouWith(x1: number, y1: number, x2: number, y2: number, b: ArrayLike<number>, j: number): number {
  const w = Math.min(x2, b[j + 2]) - Math.max(x1, b[j]);
  const h = Math.min(y2, b[j + 3]) - Math.max(y1, b[j + 1]);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / ((x2 - x1) * (y2 - y1) + boxArea(b, j) - w * h);
}

/** How an image is fitted into the network's input. */
export interface LetterboxOptions {
  /** Pad only to the next multiple of `stride` instead of to the full shape (`rect`). Default: false. */
  auto?: boolean;
  /** Pixels. Default: 32. */
  stride?: number;
  /** Enlarge images that are smaller than the shape. Default: true. */
  scaleUp?: boolean;
  /** Pad on both sides, not only right and bottom. Default: true. */
  center?: boolean;
}

/** Transform of an image into the network's input, and the sizes of both, in pixels of the input. */
export interface LetterboxTransform extends PixelTransform {
  /** Size of the input, including padding. */
  width: number;
  height: number;
  /** Size of the scaled image, without padding. */
  innerWidth: number;
  innerHeight: number;
}

/**
 * Computes the letterbox transform: the image is scaled to fit into the shape with its aspect ratio preserved, then padded.
 * Formulas as in Ultralytics 8.4 (LetterBox; scale_boxes for the ratio of each axis after rounding; the 0.1 in the rounding
 * of the padding decides how an odd number of pixels is divided).
 * @param image its size
 * @param shape of the network's input, pixels
 */
export function letterboxTransform(
  image: Size,
  shape: readonly [height: number, width: number],
  { auto = false, stride = 32, scaleUp = true, center = true }: LetterboxOptions = {},
): LetterboxTransform {
  let ratio = Math.min(shape[0] / image.height, shape[1] / image.width);
  if (!scaleUp) ratio = Math.min(ratio, 1);
  // An extreme aspect ratio must not round to zero rows or columns.
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
 * Inverse of the letterbox transform: converts boxes to pixels of the image and clips them to it, in place.
 * @param rows [N, columns] whose first four columns are x1 y1 x2 y2 in pixels of the network's input
 * @param size of the image
 * @returns `rows`
 */
export function unletterbox(
  rows: Float32Array,
  columns: number,
  { ratioX, ratioY, padX, padY }: PixelTransform,
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

/** Size of an image scaled so that its longer side is `imgsz`; the other is rounded up (Ultralytics 8.4, load_image). */
export function withLongSide({ width, height }: Size, imgsz: number): Size {
  const ratio = imgsz / Math.max(width, height);
  return { width: Math.min(Math.ceil(width * ratio), imgsz), height: Math.min(Math.ceil(height * ratio), imgsz) };
}
