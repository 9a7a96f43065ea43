/**
 * Tiles for inference on large images with small objects (Akyon et al., "Slicing Aided Hyper Inference and Fine-tuning for
 * Small Object Detection", 2022): the image is divided into overlapping tiles, and the network processes each tile and the
 * whole image. merge-views.ts merges the detections.
 */
import type { Size } from '../core/boxes.js';
import { UserError } from '../core/errors.js';

/** Size and overlap of tiles. */
export interface Tiling {
  /** Side of a tile, pixels of the image. */
  size: number;
  /** Overlap of neighbouring tiles as a fraction of their size: 0 ≤ overlap < 1. */
  overlap: number;
}

/** A region of an image that is one input of the network, in pixels of the image: a tile, or the whole image. */
export interface View extends Size {
  left: number;
  top: number;
}

/** A larger number of tiles is probably an error in the settings. */
const MAX_TILES = 10_000;

/**
 * @param image size in pixels
 * @returns the whole image, then its tiles row by row; no tiles for an image that is not larger than a tile. The tiles of
 *   the last row and column are shifted into the image, so that all have the same size.
 * @throws UserError 'too-many-tiles'
 */
export function viewsOf(image: Size, tiling?: Tiling): View[] {
  const { width, height } = image;
  const whole: View = { left: 0, top: 0, width, height };
  if (!tiling || (width <= tiling.size && height <= tiling.size)) return [whole];
  const [columns, rows] = [starts(width, tiling), starts(height, tiling)];
  if (columns.length * rows.length > MAX_TILES) throw tooMany(image, tiling, columns.length * rows.length);
  const size = { width: Math.min(tiling.size, width), height: Math.min(tiling.size, height) };
  return [whole, ...rows.flatMap((top) => columns.map((left) => ({ left, top, ...size })))];
}

/** Start positions of the tiles along one side of the image, pixels. */
function starts(length: number, { size, overlap }: Tiling): number[] {
  const step = Math.max(1, size - Math.floor(size * overlap));
  const count = Math.max(1, Math.ceil((length - size) / step) + 1);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(i * step, length - size)));
}

function tooMany({ width, height }: Size, { size, overlap }: Tiling, count: number): UserError {
  return new UserError(
    'too-many-tiles',
    `tile=${size} with tile_overlap=${overlap} cuts an image of ${width}x${height} pixels into ${count} tiles`,
    `at most ${MAX_TILES} are possible: use a larger tile or a smaller tile_overlap`,
  );
}
