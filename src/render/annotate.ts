/**
 * Draws detections into an image: boxes in the colour of the class or, if tracked, of the track, and labels of readable size.
 * Boxes are drawn directly into the pixels; the text of all labels is rasterized as one small mask, so that the cost does not
 * depend on the size of the image.
 */
import type { Detection, RgbImage } from '../core/types.js';
import { svgCoverage } from '../image/codec.js';
import { canDraw, textWidth } from './glyphs.js';
import { classColor, type Rgb, textColorOn } from './palette.js';
import { type Polyline, strokePolyline } from './polyline.js';
import { svg, text } from './svg.js';

/** What is drawn. */
export interface AnnotateOptions {
  /** Pixels; default: autoLineWidth. */
  lineWidth?: number;
  /** Default: true. */
  showLabels?: boolean;
  /** Confidence in the label. Default: true. */
  showConf?: boolean;
  /** Default: true. */
  showBoxes?: boolean;
  /** Drawn below the boxes. */
  lines?: readonly Polyline[];
}

/** Minimum readable font size, pixels. */
const MIN_FONT = 11;
/** Larger masks are rasterized in parts; the limit of SVG renderers is 32,767 pixels. */
const MAX_MASK_ROWS = 8_000;

interface Label {
  content: string;
  /** Rectangle of the label in the image, pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
  size: number;
  color: Rgb;
}

/** @param detections boxes in pixels of the image @returns a new image */
export async function annotate(
  image: RgbImage,
  detections: readonly Detection[],
  options: AnnotateOptions = {},
): Promise<RgbImage> {
  const { showLabels = true, showConf = true, showBoxes = true, lines = [] } = options;
  const out: RgbImage = { ...image, data: Uint8Array.from(image.data) };
  const lineWidth = Math.max(1, Math.round(options.lineWidth ?? autoLineWidth(image)));
  for (const line of lines) strokePolyline(out, line, lineWidth);
  // By ascending confidence, so that the highest is drawn on top.
  const order = [...detections].sort((a, b) => a.confidence - b.confidence);
  if (showBoxes) for (const d of order) strokeBox(out, d.box, lineWidth, colorOf(d));
  if (showLabels) {
    const named = lines.filter(({ label }) => label !== undefined);
    await paintLabels(out, [
      ...named.map(({ points: [[x, y]], label = '', color }) => placeLabel(image, [x, y], label, color, lineWidth)),
      ...order.map((d) => placeLabel(image, d.box, labelText(d, showConf), colorOf(d), lineWidth)),
    ]);
  }
  return out;
}

/** Line width in pixels: 0.003 of the mean side of the image, at least 2 (Ultralytics 8.4, Annotator). */
export function autoLineWidth({ width, height }: { width: number; height: number }): number {
  return Math.max(Math.round(((width + height) / 2) * 0.003), 2);
}

function colorOf({ id, class: cls }: Detection): Rgb {
  return classColor(id ?? cls);
}

/** A name with characters that have no glyph is replaced by the class index. */
function labelText({ name, class: cls, confidence, id }: Detection, showConf: boolean): string {
  const readable = `${id === undefined ? '' : `id:${id} `}${canDraw(name) ? name : `class ${cls}`}`;
  return showConf ? `${readable} ${confidence.toFixed(2)}` : readable;
}

/** Rectangle of a label: above the point (left, top) if there is room, else below; within the image if it fits. */
function placeLabel(
  image: RgbImage,
  [left, top]: readonly number[],
  content: string,
  color: Rgb,
  lineWidth: number,
): Label {
  let size = Math.max(lineWidth * 6, MIN_FONT);
  const pad = (s: number): number => Math.max(2, Math.round(s * 0.2));
  const room = image.width - 2 * pad(size);
  const wide = textWidth(content, size);
  if (wide > room) size = Math.max((size * room) / wide, Math.min(size, MIN_FONT));
  const width = Math.ceil(textWidth(content, size)) + 2 * pad(size);
  const height = Math.ceil(size) + pad(size);
  const x = Math.max(0, Math.min(Math.round(left - lineWidth / 2), image.width - width));
  const above = Math.round(top - lineWidth / 2) - height;
  const y = above >= 0 ? above : Math.max(0, Math.round(top));
  return { content, x, y, width, height, size, color };
}

async function paintLabels(image: RgbImage, labels: readonly Label[]): Promise<void> {
  for (let from = 0; from < labels.length; ) {
    let rows = labels[from].height;
    let to = from + 1;
    while (to < labels.length && rows + labels[to].height <= MAX_MASK_ROWS) rows += labels[to++].height;
    await paintGroup(image, labels.slice(from, to), rows);
    from = to;
  }
}

/** Rasterizes the texts one below the other as a mask, with which each is painted into its rectangle. */
async function paintGroup(image: RgbImage, labels: readonly Label[], rows: number): Promise<void> {
  let top = 0;
  const tops: number[] = [];
  const texts: string[] = [];
  for (const { content, size, width, height } of labels) {
    texts.push(text(width / 2, top + height / 2, size, content, { anchor: 'middle', baseline: 'middle', bold: true }));
    tops.push(top);
    top += height;
  }
  const columns = Math.max(...labels.map((l) => l.width));
  const mask = await svgCoverage(svg(columns, rows, texts));
  labels.forEach((label, i) => {
    fillRect(image, label.x, label.y, label.x + label.width, label.y + label.height, label.color);
    paintMask(image, label, mask, tops[i]);
  });
}

function paintMask(image: RgbImage, label: Label, mask: { data: Uint8Array; width: number }, top: number): void {
  const color = textColorOn(label.color);
  const width = Math.min(label.width, image.width - label.x);
  const height = Math.min(label.height, image.height - label.y);
  for (let y = 0; y < height; y++) {
    let at = ((label.y + y) * image.width + label.x) * 3;
    const from = (top + y) * mask.width;
    for (let x = 0; x < width; x++, at += 3) {
      const a = mask.data[from + x];
      if (a === 0) continue;
      for (let c = 0; c < 3; c++) image.data[at + c] += Math.round(((color[c] - image.data[at + c]) * a) / 255);
    }
  }
}

/** Draws a box; its lines are centred on the edges. */
function strokeBox(image: RgbImage, box: Detection['box'], lineWidth: number, color: Rgb): void {
  const out = Math.floor(lineWidth / 2);
  const inside = lineWidth - out;
  const [x1, y1, x2, y2] = box.map(Math.round);
  fillRect(image, x1 - out, y1 - out, x2 + out, y1 + inside, color);
  fillRect(image, x1 - out, y2 - inside, x2 + out, y2 + out, color);
  fillRect(image, x1 - out, y1 - out, x1 + inside, y2 + out, color);
  fillRect(image, x2 - inside, y1 - out, x2 + out, y2 + out, color);
}

/** Fills [x1, x2) × [y1, y2), clipped to the image. */
function fillRect(image: RgbImage, x1: number, y1: number, x2: number, y2: number, [r, g, b]: Rgb): void {
  const left = Math.max(0, x1);
  const right = Math.min(image.width, x2);
  for (let y = Math.max(0, y1); y < Math.min(image.height, y2); y++) {
    let at = (y * image.width + left) * 3;
    for (let x = left; x < right; x++, at += 3) {
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
    }
  }
}
