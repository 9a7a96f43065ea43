/** SVG elements as strings; text is converted to paths. Lengths are pixels, y points down. */
import { FONT } from './glyph-table.js';
import { textOutline, textWidth } from './glyphs.js';

/** Style of a shape. */
export interface Style {
  fill?: string;
  stroke?: string;
  strokeWidth?: number;
  /** 0..1 */
  opacity?: number;
  /** Lengths of dashes and gaps. */
  dash?: readonly number[];
}

/** Style and alignment of text. */
export interface TextStyle {
  fill?: string;
  opacity?: number;
  /** Horizontal alignment at x. Default: 'start'. */
  anchor?: 'start' | 'middle' | 'end';
  /** Vertical alignment at y; 'middle' is half the height of capital letters. Default: 'baseline'. */
  baseline?: 'baseline' | 'middle' | 'top';
  bold?: boolean;
  /** Degrees clockwise around (x, y). */
  rotate?: number;
}

/** The document. @param background colour; default: transparent */
export function svg(width: number, height: number, children: readonly string[], background?: string): string {
  const back = background ? rect(0, 0, width, height, { fill: background }) : '';
  const size = `width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${back}${children.join('')}</svg>`;
}

/** A rectangle. */
export function rect(x: number, y: number, width: number, height: number, style: Style = {}): string {
  return `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}"${attributes(style)}/>`;
}

/** A line segment. */
export function line(x1: number, y1: number, x2: number, y2: number, style: Style = { stroke: '#000' }): string {
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"${attributes(style)}/>`;
}

/** A circle. */
export function circle(x: number, y: number, radius: number, style: Style = {}): string {
  return `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}"${attributes(style)}/>`;
}

/** Connected line segments. @param points x, y pairs; a pair that is not finite interrupts the line */
export function polyline(points: readonly (readonly [number, number])[], style: Style): string {
  let d = '';
  let pen = 'M';
  for (const [x, y] of points) {
    if (Number.isFinite(x) && Number.isFinite(y)) {
      d += `${pen}${n(x)} ${n(y)}`;
      pen = 'L';
    } else pen = 'M';
  }
  return path(d, { fill: 'none', ...style });
}

/** A path. @param d path data */
export function path(d: string, style: Style = {}): string {
  return `<path d="${d}"${attributes(style)}/>`;
}

/** A line of text as a path of glyph outlines. @param size font size, pixels */
export function text(x: number, y: number, size: number, content: string, style: TextStyle = {}): string {
  const { fill = '#000', opacity, anchor = 'start', baseline = 'baseline', bold = false, rotate = 0 } = style;
  const d = textOutline(content);
  if (!d) return '';
  const dx = anchor === 'start' ? 0 : -textWidth(content, size) / (anchor === 'middle' ? 2 : 1);
  const cap = (FONT.capHeight * size) / FONT.em;
  const dy = baseline === 'baseline' ? 0 : baseline === 'middle' ? cap / 2 : cap;
  const scale = size / FONT.em;
  const turn = rotate ? ` rotate(${n(rotate)})` : '';
  const transform = `translate(${n(x)} ${n(y)})${turn} translate(${n(dx)} ${n(dy)}) scale(${scale.toFixed(5)} ${(-scale).toFixed(5)})`;
  const weight: Style = bold ? { stroke: fill, strokeWidth: 36 } : {};
  return `<path transform="${transform}" d="${d}"${attributes({ fill, opacity, ...weight })}/>`;
}

function attributes({ fill, stroke, strokeWidth, opacity, dash }: Style): string {
  let out = '';
  if (fill) out += ` fill="${fill}"`;
  if (stroke) out += ` stroke="${stroke}"`;
  if (strokeWidth !== undefined) out += ` stroke-width="${n(strokeWidth)}"`;
  if (opacity !== undefined) out += ` opacity="${n(opacity)}"`;
  if (dash) out += ` stroke-dasharray="${dash.map(n).join(' ')}"`;
  return out;
}

/** Rounds to 0.01 pixel. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
