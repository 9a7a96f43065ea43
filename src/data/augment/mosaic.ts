/**
 * Mosaic (Bochkovskiy et al. 2020, YOLOv4): four images around one point of a canvas of 2·imgsz x 2·imgsz pixels, each
 * with a corner at that point: top left (the image itself), top right, bottom left, bottom right. Parts outside the
 * canvas are clipped.
 */
import type { RgbImage } from '../../core/types.js';
import { clip, join, toPixels, withArea } from './boxes.js';
import type { Canvas, Tile } from './canvas.js';

/** An image with its labels, [M, 5] class cx cy w h in 0..1. */
export interface LabelledImage extends RgbImage {
  labels: Float32Array;
}

/** A canvas with its labels. */
export interface LabelledCanvas {
  canvas: Canvas;
  /** [M, 5] class xyxy, canvas pixels. */
  boxesPx: Float64Array;
}

/**
 * @param images four images
 * @param centre the common corner, whole pixels of the canvas
 * @param imgsz half the side of the canvas, pixels
 */
export function mosaic(images: LabelledImage[], centre: [x: number, y: number], imgsz: number): LabelledCanvas {
  const [cx, cy] = centre;
  const side = 2 * imgsz;
  const tiles: Tile[] = [];
  const boxes: Float64Array[] = [];
  images.forEach((image, place) => {
    const { width, height, labels } = image;
    const left = place % 2 === 0 ? cx - width : cx;
    const top = place < 2 ? cy - height : cy;
    const tile = {
      image,
      left,
      top,
      x1: Math.max(left, 0),
      y1: Math.max(top, 0),
      x2: Math.min(left + width, side),
      y2: Math.min(top + height, side),
    };
    if (tile.x1 < tile.x2 && tile.y1 < tile.y2) tiles.push(tile);
    boxes.push(toPixels(labels, image, left, top));
  });
  const boxesPx = withArea(clip(join(...boxes), 0, 0, side, side));
  return { canvas: { width: side, height: side, tiles }, boxesPx };
}
