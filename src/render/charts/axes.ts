/** The frame of a chart: title, axes with ticks at round numbers, grid, and the mapping of values to pixels. */
import { canDraw, textWidth } from '../glyphs.js';
import { line, rect, text } from '../svg.js';
import { GRID, INK, MUTED, PAPER } from './colors.js';
import { tickLabels, ticksBetween } from './ticks.js';

/** A rectangle of the image, pixels. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** An axis. */
export interface Axis {
  label?: string;
  range: readonly [low: number, high: number];
  /** Approximate number of ticks. Default: 5. */
  ticks?: number;
  /** Ticks only at integers. Default: false. */
  whole?: boolean;
}

/** Contents of a frame. */
export interface FrameOptions {
  title?: string;
  x: Axis;
  y: Axis;
  /** Font size of tick labels, pixels; axis labels and title are larger. Default: 11. */
  size?: number;
  /** Grid lines. Default: true. */
  grid?: boolean;
}

/** A drawn frame. */
export interface Frame {
  /** Shapes below the data: title, labels, ticks and grid. */
  under: string[];
  /** Area of the data. */
  plot: Area;
  /** Pixel of a value on the x axis. */
  px(value: number): number;
  /** Pixel of a value on the y axis. */
  py(value: number): number;
}

/** @param area of the frame, including labels */
export function frame(area: Area, { title, x, y, size = 11, grid = true }: FrameOptions): Frame {
  const [xTicks, yTicks] = [ticksOf(x), ticksOf(y)];
  const yLabels = tickLabels(yTicks);
  const left = Math.max(...yLabels.map((label) => textWidth(label, size)), 0) + 10 + (y.label ? size * 1.7 : 0);
  const top = title ? size * 2.4 : size * 0.8;
  const bottom = size * 2 + (x.label ? size * 1.7 : 0);
  // Half of the last tick label extends beyond the right end of the axis.
  const right = textWidth(tickLabels(xTicks).at(-1) ?? '', size) / 2 + 2;
  const plot = {
    x: area.x + left,
    y: area.y + top,
    width: area.width - left - right,
    height: area.height - top - bottom,
  };
  const px = (value: number): number => plot.x + ((value - x.range[0]) / (x.range[1] - x.range[0])) * plot.width;
  const py = (value: number): number =>
    plot.y + plot.height - ((value - y.range[0]) / (y.range[1] - y.range[0])) * plot.height;
  const under = [rect(plot.x, plot.y, plot.width, plot.height, { fill: PAPER, stroke: GRID, strokeWidth: 1 })];
  const centre = plot.x + plot.width / 2;
  if (title)
    under.push(text(centre, area.y + size * 1.5, size * 1.2, title, { fill: INK, anchor: 'middle', bold: true }));
  xTicks.forEach((tick, i) => {
    if (grid) under.push(line(px(tick), plot.y, px(tick), plot.y + plot.height, { stroke: GRID, strokeWidth: 1 }));
    const label = tickLabels(xTicks)[i];
    under.push(text(px(tick), plot.y + plot.height + size * 1.4, size, label, { fill: MUTED, anchor: 'middle' }));
  });
  yTicks.forEach((tick, i) => {
    if (grid) under.push(line(plot.x, py(tick), plot.x + plot.width, py(tick), { stroke: GRID, strokeWidth: 1 }));
    under.push(text(plot.x - 6, py(tick), size, yLabels[i], { fill: MUTED, anchor: 'end', baseline: 'middle' }));
  });
  under.push(line(plot.x, plot.y + plot.height, plot.x + plot.width, plot.y + plot.height, AXIS));
  under.push(line(plot.x, plot.y, plot.x, plot.y + plot.height, AXIS));
  const labelled = { fill: INK, anchor: 'middle' } as const;
  if (x.label) under.push(text(centre, area.y + area.height - size * 0.5, size * 1.1, x.label, labelled));
  if (y.label)
    under.push(text(area.x + size * 1.1, plot.y + plot.height / 2, size * 1.1, y.label, { ...labelled, rotate: -90 }));
  return { under, plot, px, py };
}

/** Ticks in ascending order, also of a reversed range (y pointing down). */
function ticksOf({ range, ticks, whole }: Axis): number[] {
  return ticksBetween(Math.min(...range), Math.max(...range), ticks, whole);
}

const AXIS = { stroke: MUTED, strokeWidth: 1 };

/**
 * @param width available, pixels @param size font size, pixels
 * @returns the class name, shortened to the width; `class N` if it has characters without a glyph
 */
export function fittedName(name: string, cls: number, width: number, size: number): string {
  const shown = canDraw(name) ? name : `class ${cls}`;
  if (textWidth(shown, size) <= width) return shown;
  const chars = [...shown];
  while (chars.length > 1 && textWidth(`${chars.join('')}…`, size) > width) chars.pop();
  return `${chars.join('').trimEnd()}…`;
}

/** fittedName of all classes. */
export function drawnNames(names: readonly string[], width: number, size: number): string[] {
  return names.map((name, i) => fittedName(name, i, width, size));
}
