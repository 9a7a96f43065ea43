/**
 * A virtual canvas: positions of images on a grey background. A warp reads it row by row, so that a mosaic of
 * 2·imgsz x 2·imgsz pixels need not be allocated; interpolation across the seams of its images is the same as if it were.
 */
import type { RgbImage } from '../../core/types.js';
import { PAD_VALUE } from '../../image/letterbox.js';

/** An image on the canvas, visible inside the window x1..x2, y1..y2 (canvas pixels, end exclusive). */
export interface Tile {
  image: RgbImage;
  /** Canvas position of the image's top left pixel; may be outside the window. */
  left: number;
  top: number;
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

/** Size in pixels, and the images on it, which do not overlap. */
export interface Canvas {
  width: number;
  height: number;
  tiles: Tile[];
}

/** @returns a canvas of the size of one image, with that image */
export function canvasOf(image: RgbImage): Canvas {
  const { width, height } = image;
  return { width, height, tiles: [{ image, left: 0, top: 0, x1: 0, y1: 0, x2: width, y2: height }] };
}

/** Copies a tile's pixels in canvas row y into `out`, in which canvas column 0 starts at byte `origin`. */
export function copyTileRow(tile: Tile, y: number, out: Uint8Array, origin: number): void {
  const from = ((y - tile.top) * tile.image.width + tile.x1 - tile.left) * 3;
  out.set(tile.image.data.subarray(from, from + (tile.x2 - tile.x1) * 3), origin + tile.x1 * 3);
}

/**
 * Renders the canvas with `margin` grey pixels on all sides.
 * @returns [height + 2·margin, width + 2·margin, 3]
 */
export function paint(canvas: Canvas, margin: number): RgbImage {
  const width = canvas.width + 2 * margin;
  const height = canvas.height + 2 * margin;
  const data = new Uint8Array(width * height * 3).fill(PAD_VALUE);
  for (const tile of canvas.tiles) {
    for (let y = tile.y1; y < tile.y2; y++) copyTileRow(tile, y, data, ((y + margin) * width + margin) * 3);
  }
  return { data, width, height };
}
