/** Contact sheet of a batch: a grid of images with their boxes, and captions below. */
import type { Detection, RgbImage } from '../core/types.js';
import { svgCoverage } from '../image/codec.js';
import { annotate } from './annotate.js';
import { fittedName } from './charts/axes.js';
import { svg, text } from './svg.js';

/** An image of the sheet. */
export interface Tile {
  image: RgbImage;
  /** In pixels of the image. */
  detections: readonly Detection[];
  caption: string;
}

/** What is drawn. */
export interface SheetOptions {
  /** Confidence of each box. Default: false. */
  showConf?: boolean;
}

const GAP = 8;
const CAPTION = 20;
const FONT = 12;
const PAPER = 255;
/** Difference of text from the background in brightness, 0..1. */
const INK = 0.86;

/** Arranges the images in reading order in a nearly square grid. @throws RangeError if there are no tiles */
export async function contactSheet(tiles: readonly Tile[], { showConf = false }: SheetOptions = {}): Promise<RgbImage> {
  if (!tiles.length) throw new RangeError('a sheet needs an image');
  const columns = Math.ceil(Math.sqrt(tiles.length));
  const rows = Math.ceil(tiles.length / columns);
  const cellWidth = Math.max(...tiles.map(({ image }) => image.width)) + GAP;
  // The height of a row is that of its tallest image.
  const tops = [GAP];
  for (let row = 0; row < rows; row++) {
    const heights = tiles.slice(row * columns, (row + 1) * columns).map(({ image }) => image.height);
    tops.push(tops[row] + Math.max(...heights) + CAPTION + GAP);
  }
  const [width, height] = [columns * cellWidth + GAP, tops[rows]];
  const sheet: RgbImage = { data: new Uint8Array(width * height * 3).fill(PAPER), width, height };
  const drawn = await Promise.all(tiles.map((t) => annotate(t.image, t.detections, { showConf, lineWidth: LINE })));
  const captions = await captionStrips(tiles, cellWidth - GAP);
  drawn.forEach((image, i) => {
    const left = GAP + (i % columns) * cellWidth;
    const top = tops[Math.floor(i / columns)];
    paste(sheet, image, left, top);
    paste(sheet, captions[i], left, top + image.height);
  });
  return sheet;
}

/** Rasterizes all captions as one mask. @returns an image per caption, [CAPTION, width] */
async function captionStrips(tiles: readonly Tile[], width: number): Promise<RgbImage[]> {
  const texts = tiles.map(({ image, caption }, i) =>
    text(2, (i + 0.5) * CAPTION + 1, FONT, fittedName(caption, i, image.width - 4, FONT), { baseline: 'middle' }),
  );
  const mask = await svgCoverage(svg(width, CAPTION * tiles.length, texts));
  const size = width * CAPTION;
  return tiles.map((_, i) => {
    const data = new Uint8Array(size * 3);
    for (let k = 0; k < size; k++) data.fill(PAPER - Math.round(mask.data[i * size + k] * INK), 3 * k, 3 * k + 3);
    return { data, width, height: CAPTION };
  });
}

/** Line width of boxes, pixels; the labels then have 12 pixels. */
const LINE = 2;

function paste(sheet: RgbImage, image: RgbImage, left: number, top: number): void {
  const bytes = image.width * 3;
  for (let y = 0; y < image.height; y++)
    sheet.data.set(image.data.subarray(y * bytes, (y + 1) * bytes), ((top + y) * sheet.width + left) * 3);
}
