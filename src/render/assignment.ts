/**
 * Draws the label assignment of an image: positive anchor points with one colour per label, and one shape per level, larger
 * for coarser levels. Beside it a table with the number of anchor points per label and level; labels without any are red.
 */
import type { Box, RgbImage } from '../core/types.js';
import { compositeSvg } from '../image/codec.js';
import { fittedName } from './charts/axes.js';
import { INK, MUTED } from './charts/colors.js';
import { textWidth } from './glyphs.js';
import { classColorHex } from './palette.js';
import { circle, line, path, rect, svg, text } from './svg.js';

/** A label and its positive anchor points. */
export interface AssignedLabel {
  class: number;
  name: string;
  /** Pixels of the image. */
  box: Box;
  points: { x: number; y: number; level: number; score: number }[];
}

/** What is drawn. */
export interface AssignmentImage {
  image: RgbImage;
  labels: readonly AssignedLabel[];
  /** Of the levels, in pixels of the network's input. */
  strides: readonly number[];
  title: string;
}

const PANEL = 380;
const ROW = 22;
const FONT = 13;
const HEAD = 64;
const NONE = '#c4001a';
const MARGIN = 12;

/** @returns the image with the table on its right side */
export function drawAssignment({ image, labels, strides, title }: AssignmentImage): Promise<RgbImage> {
  const height = Math.max(image.height, HEAD + (labels.length + 1) * ROW + MARGIN);
  const width = image.width + PANEL;
  const canvas: RgbImage = { data: new Uint8Array(width * height * 3).fill(255), width, height };
  for (let y = 0; y < image.height; y++)
    canvas.data.set(image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3), y * width * 3);
  const shapes = [...labels.flatMap(box), ...labels.flatMap(points), ...labels.flatMap((l, i) => number(l, i, image))];
  return compositeSvg(canvas, svg(width, height, [...shapes, ...table(labels, strides, title, image.width + MARGIN)]));
}

function colorOf(i: number): string {
  return classColorHex(i);
}

function box({ box: [x1, y1, x2, y2], points: found }: AssignedLabel, i: number): string[] {
  const outline = { fill: 'none', strokeWidth: 2 };
  if (!found.length) return [rect(x1, y1, x2 - x1, y2 - y1, { ...outline, stroke: NONE, dash: [5, 4] })];
  return [rect(x1, y1, x2 - x1, y2 - y1, { ...outline, stroke: colorOf(i) })];
}

/** Coarse levels first, so that fine points are on top. */
function points({ points: found }: AssignedLabel, i: number): string[] {
  const coarseFirst = [...found].sort((a, b) => b.level - a.level);
  return coarseFirst.map(({ x, y, level }) => marker(x, y, level, colorOf(i)));
}

/** Circle, square, diamond; larger for coarser levels. */
function marker(x: number, y: number, level: number, fill: string): string {
  const style = { fill, stroke: '#000', strokeWidth: 1 };
  if (level === 0) return circle(x, y, 3.2, style);
  if (level === 1) return rect(x - 4.5, y - 4.5, 9, 9, style);
  const r = 8 + 2 * (level - 2);
  return path(`M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}z`, style);
}

/** The label's number in the table, at its upper left corner. */
function number({ box: [x1, y1], points: found }: AssignedLabel, i: number, image: RgbImage): string[] {
  const content = String(i + 1);
  const wide = textWidth(content, 12) + 6;
  const x = Math.min(Math.max(0, x1), image.width - wide);
  const y = Math.min(Math.max(0, y1 - 16), image.height - 16);
  return [
    rect(x, y, wide, 16, { fill: '#fff', stroke: found.length ? colorOf(i) : NONE, strokeWidth: 1.5 }),
    text(x + 3, y + 8, 12, content, { fill: found.length ? INK : NONE, baseline: 'middle', bold: true }),
  ];
}

function table(labels: readonly AssignedLabel[], strides: readonly number[], title: string, x: number): string[] {
  const first = x + 168;
  const step = (PANEL - 168 - 2 * MARGIN - 40) / strides.length;
  const end = x + PANEL - 2 * MARGIN;
  const out = [text(x, 22, 15, fittedName(title, 0, PANEL - 2 * MARGIN, 15), { fill: INK, bold: true })];
  strides.forEach((stride, level) => {
    const centre = first + (level + 0.5) * step;
    out.push(marker(centre - 16, 48, level, '#9aa1ad'));
    out.push(text(centre - 5, 48, 12, `/${stride}`, { fill: MUTED, baseline: 'middle' }));
  });
  out.push(text(end, 48, 12, 'all', { fill: MUTED, anchor: 'end', baseline: 'middle' }));
  out.push(line(x, HEAD - 2, end, HEAD - 2, { stroke: MUTED, strokeWidth: 1 }));
  labels.forEach((label, i) => {
    const middle = HEAD + (i + 0.5) * ROW;
    const none = label.points.length === 0;
    const ink = none ? NONE : INK;
    out.push(rect(x, middle - 6, 12, 12, { fill: none ? '#fff' : colorOf(i), stroke: ink, strokeWidth: 1 }));
    const name = fittedName(`${i + 1}  ${label.name}`, label.class, 140, FONT);
    out.push(text(x + 20, middle, FONT, name, { fill: ink, baseline: 'middle' }));
    strides.forEach((_, level) => {
      const count = label.points.filter((p) => p.level === level).length;
      const style = { fill: count ? ink : '#b6bcc6', anchor: 'middle', baseline: 'middle' } as const;
      out.push(text(first + (level + 0.5) * step, middle, FONT, String(count), style));
    });
    const all = none ? 'none' : String(label.points.length);
    out.push(text(end, middle, FONT, all, { fill: ink, anchor: 'end', baseline: 'middle', bold: none }));
  });
  return out;
}
