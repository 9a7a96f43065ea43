/** The images of a report: which ones, as thumbnails within a budget, with what was labelled, found and missed. */
import { labelsToPx } from '../../core/boxes.js';
import { thumbnail } from '../../image/thumbnail.js';
import { aboveConfidence, CONFUSION_CONFIDENCE, confusedPairs } from '../../metrics/confusion.js';
import { typeErrors } from '../../metrics/errors.js';
import type { ImageFigures } from '../../metrics/tally.js';
import type { ConfusionData, ImageData } from '../../render/report/data.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';

/** Bytes of thumbnails as they stand in the page, base64: most of the 5 MB that a report may have. */
const BUDGET = 3_000_000;
/** Longest side of a thumbnail, pixels; when there are few they may be larger. */
const SIDE = 360;
const LARGE_SIDE = 560;
const FEW = 50;
/** Images shown because they are the worst, and with those that stand for a cell of the matrix. */
const MAX_WORST = 96;
const MOST = 220;
const PER_CELL = 3;
/** Paths of further images that are named for a cell, and for all cells. */
const MORE_NAMES = 12;
const MAX_NAMES = 3000;
/** Images read at a time. */
const AT_ONCE = 4;

/** What the validation left of an image. */
interface Kept {
  path: string;
  width: number;
  height: number;
  /** Rows class x1 y1 x2 y2, pixels of the image. */
  labels: Float32Array;
  /** Rows of 6 over the confidence of the matrix, pixels of the image. */
  found: Float32Array;
}

/** Collects images during a validation. */
export interface ImageCollector {
  add(image: EvaluatedImage): void;
  /** Chooses, reads and judges; fills the cells of the matrix. */
  finish(evaluation: Evaluation, confusion: ConfusionData, names: readonly string[]): Promise<ImageData[]>;
}

/** A collector for one validation. */
export function collectImages(): ImageCollector {
  const kept = new Map<string, Kept>();
  return {
    add({ image, detections }) {
      const { path, width, height } = image;
      kept.set(path, {
        path,
        width,
        height,
        labels: labelsToPx(image.labels, image),
        found: aboveConfidence(detections, CONFUSION_CONFIDENCE),
      });
    },
    async finish({ perImage: judged, confusion }, data, names) {
      const cells = imagesOfCells(kept.values(), confusion.nc);
      const chosen = choose(judged, kept, cells);
      const thumbnails = await readThumbnails(chosen);
      const shown = chosen.filter(({ path }) => thumbnails.has(path));
      const figures = new Map(judged.map((one) => [one.path, one]));
      linkCells(data, cells, new Map(shown.map(({ path }, i) => [path, i])));
      return shown.map((kept) => describe(kept, thumbnails.get(kept.path) ?? '', figures.get(kept.path), names));
    },
  };
}

/** @returns 'predicted,true' → paths */
function imagesOfCells(images: Iterable<Kept>, nc: number): Map<string, string[]> {
  const cells = new Map<string, string[]>();
  for (const { path, labels, found } of images) {
    for (const key of new Set(confusedPairs(nc, found, labels).map((pair) => pair.join(',')))) {
      const paths = cells.get(key);
      if (paths) paths.push(path);
      else cells.set(key, [path]);
    }
  }
  return cells;
}

/** The worst, then what the cells of the matrix need. */
function choose(judged: readonly ImageFigures[], kept: Map<string, Kept>, cells: Map<string, string[]>): Kept[] {
  const worst = judged.filter(({ errors }) => errors.length > 0).slice(0, MAX_WORST);
  const paths = new Set(worst.map(({ path }) => path));
  const rank = new Map(judged.map(({ path }, i) => [path, i]));
  const byRank = (a: string, b: string): number => (rank.get(a) ?? 0) - (rank.get(b) ?? 0);
  for (let round = 0; round < PER_CELL; round++) {
    for (const all of cells.values()) {
      if (paths.size >= MOST) break;
      if (all.filter((path) => paths.has(path)).length > round) continue;
      const next = all.filter((path) => !paths.has(path)).sort(byRank)[0];
      if (next !== undefined) paths.add(next);
    }
  }
  // The budget falls short at the end of the list, but the page shows all of them worst first.
  return [...paths].flatMap((path) => kept.get(path) ?? []);
}

/** @returns data URIs by path, as many as fit the budget; an image that cannot be read has none */
async function readThumbnails(images: readonly Kept[]): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  const side = images.length <= FEW ? LARGE_SIDE : SIDE;
  let left = BUDGET;
  for (let i = 0; i < images.length && left > 0; i += AT_ONCE) {
    const group = images.slice(i, i + AT_ONCE);
    const files = await Promise.all(group.map(({ path }) => thumbnail(path, side).catch(() => undefined)));
    files.forEach((file, k) => {
      if (!file) return;
      const uri = `data:image/webp;base64,${file.toString('base64')}`;
      if (uri.length > left) return;
      left -= uri.length;
      out.set(group[k].path, uri);
    });
  }
  return out;
}

/** Tells each cell its images: those that the page holds by index, some others by name. */
function linkCells(data: ConfusionData, cells: Map<string, string[]>, indices: Map<string, number>): void {
  let names = 0;
  for (const [key, paths] of cells) {
    const shown = paths.flatMap((path) => indices.get(path) ?? []);
    const others = paths.filter((path) => !indices.has(path)).slice(0, Math.min(MORE_NAMES, MAX_NAMES - names));
    names += others.length;
    if (shown.length) data.shown[key] = shown.sort((a, b) => a - b);
    if (others.length) data.others[key] = others;
  }
}

function describe(
  { path, width, height, labels, found }: Kept,
  source: string,
  figures: ImageFigures | undefined,
  names: readonly string[],
): ImageData {
  const typed = typeErrors(found, labels);
  const hit = new Set(typed.hit);
  const round = (value: number): number => Math.round(value * 10) / 10;
  const rows = (values: Float32Array, size: number): number[][] =>
    Array.from({ length: values.length / size }, (_, i) => Array.from(values.subarray(i * size, (i + 1) * size)));
  return {
    path,
    width,
    height,
    source,
    labels: rows(labels, 5).map(([id, ...box], j) => [id, ...box.map(round), hit.has(j) ? 1 : 0]),
    found: rows(found, 6).map(([x1, y1, x2, y2, confidence, id], i) => [
      id,
      ...[x1, y1, x2, y2].map(round),
      Math.round(confidence * 1000) / 1000,
      typed.kind[i],
    ]),
    mistakes: (figures?.errors ?? []).map((error) => inWords(error, names)),
    hits: typed.hit.reduce((sum, j) => sum + (j >= 0 ? 1 : 0), 0),
  };
}

/** `dog 0.61: wrong class, it is a cat (IoU 0.83)` */
function inWords({ kind, name, confidence, label }: ImageFigures['errors'][number], names: readonly string[]): string {
  if (kind === 'missed') return `${name}: missed`;
  const about = label
    ? ` (${kind === 'wrong class' ? `labelled ${names[label.class] ?? label.name}, ` : ''}IoU ${label.iou.toFixed(2)})`
    : '';
  return `${name} ${confidence?.toFixed(2) ?? ''}: ${kind}${about}`;
}
