/** Sheets of images: what the loader feeds, what was labelled in validation images, and what was found there. */
import { basename } from 'node:path';
import { DETECTION, LABEL, labelsToPx, normToPx, pxToNorm, type Size } from '../../core/boxes.js';
import type { Box, Detection, RgbImage } from '../../core/types.js';
import type { Batch } from '../../data/batch.js';
import { decodeImage } from '../../image/codec.js';
import { resize } from '../../image/resize.js';
import { contactSheet, type Tile } from '../../render/sheet.js';
import type { EvaluatedImage } from '../val/evaluate.js';

/** Images of a sheet at most. */
export const TILES = 16;
/** Sheets are about this wide, and no tile is wider than MAX_TILE, pixels. */
const SHEET = 1920;
const MAX_TILE = 640;
/** Detections drawn in a tile; a model that has just begun finds hundreds. */
const MAX_FOUND = 50;

/** The first images of a batch as the network gets them, with the boxes that came along. */
export function batchSheet(batch: Batch, names: readonly string[]): Promise<RgbImage> {
  const [b, height, width] = batch.shape;
  const count = Math.min(b, TILES);
  const tiles = Array.from({ length: count }, (_, k): Tile => {
    const size = width * height * 3;
    const image = fitted({ data: batch.images.subarray(k * size, (k + 1) * size), width, height }, tileSide(count));
    return {
      image,
      detections: labelled(batch.labels[k], { width, height }, image, names),
      caption: basename(batch.paths[k]),
    };
  });
  return contactSheet(tiles);
}

/** Validation images twice: with their labels, and with what was found over `confidence`. */
export async function validationSheets(
  evaluated: readonly EvaluatedImage[],
  names: readonly string[],
  confidence: number,
): Promise<{ labels: RgbImage; pred: RgbImage }> {
  const side = tileSide(evaluated.length);
  const [labels, pred]: [Tile[], Tile[]] = [[], []];
  for (const { image: source, detections } of evaluated) {
    const image = fitted(await decodeImage(source.path, { acceptTruncated: true }), side);
    const caption = basename(source.path);
    labels.push({ image, detections: labelled(labelsToPx(source.labels, source), source, image, names), caption });
    const all = found(detections, confidence, source, image, names);
    const shown = all.slice(0, MAX_FOUND);
    const rest = all.length > shown.length ? `: the ${shown.length} most confident of ${all.length}` : '';
    pred.push({ image, detections: shown, caption: caption + rest });
  }
  return { labels: await contactSheet(labels), pred: await contactSheet(pred, { showConf: true }) };
}

function tileSide(count: number): number {
  return Math.min(MAX_TILE, Math.floor(SHEET / Math.ceil(Math.sqrt(count))));
}

/** A copy whose long side is `side`. Large images are halved first: a bilinear step alone would leave pixels out. */
function fitted(image: RgbImage, side: number): RgbImage {
  let from = image;
  while (Math.max(from.width, from.height) >= 2 * side && Math.min(from.width, from.height) > 1)
    from = resize(from, Math.ceil(from.width / 2), Math.ceil(from.height / 2));
  const ratio = side / Math.max(from.width, from.height);
  return resize(from, Math.max(1, Math.round(from.width * ratio)), Math.max(1, Math.round(from.height * ratio)));
}

/** @param rows [M, 5] class x1 y1 x2 y2, pixels of `source` @returns boxes in pixels of `image` */
function labelled(rows: Float32Array, source: Size, image: Size, names: readonly string[]): Detection[] {
  return Array.from({ length: rows.length / LABEL }, (_, i) => {
    const [cls, ...box] = rows.subarray(LABEL * i, LABEL * (i + 1));
    return detection(cls, 1, normToPx(pxToNorm(box as Box, source), image), names);
  });
}

/** @param rows [N, 6] x1 y1 x2 y2 confidence class, pixels of `source` @returns boxes in pixels of `image` */
function found(
  rows: Float32Array,
  confidence: number,
  source: Size,
  image: Size,
  names: readonly string[],
): Detection[] {
  const out: Detection[] = [];
  for (let i = 0; i < rows.length; i += DETECTION) {
    const [x1, y1, x2, y2, score, cls] = rows.subarray(i, i + DETECTION);
    if (score > confidence) out.push(detection(cls, score, normToPx(pxToNorm([x1, y1, x2, y2], source), image), names));
  }
  return out;
}

function detection(cls: number, confidence: number, box: Box, names: readonly string[]): Detection {
  return { class: cls, name: names[cls] ?? `class ${cls}`, confidence, box };
}
