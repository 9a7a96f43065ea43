/** Confusion matrix as a coloured table: rows are predicted classes, columns true classes; the last is the background. */
import { textWidth } from '../glyphs.js';
import { textColorOn } from '../palette.js';
import { line, path, rect, svg, text } from '../svg.js';
import { drawnNames } from './axes.js';
import { GRID, hex, INK, MUTED, PAPER, quantityColor } from './colors.js';
import { grouped } from './ticks.js';

/** A confusion matrix. */
export interface ConfusionChart {
  /** [K] names of the classes. */
  names: readonly string[];
  /** [K + 1, K + 1] row = predicted, column = true. */
  counts: ArrayLike<number>;
  /** Divide each column by its sum. */
  normalized: boolean;
  title: string;
}

const BACKGROUND = 'background';
const TABLE = 900;
const MIN_CELL = 17;
const MAX_CELL = 130;
/** Maximum side of the table, pixels: with hundreds of classes cells are smaller and have no numbers. */
const MAX_TABLE = 2400;
const MIN_NUMBERED = 14;

/** @returns an SVG document */
export function confusionChart({ names, counts, normalized, title }: ConfusionChart): string {
  const n = names.length + 1;
  const roomy = Math.max(MIN_CELL, Math.min(MAX_CELL, Math.floor(TABLE / n)));
  const cell = Math.min(roomy, MAX_TABLE / n);
  const size = Math.max(10, Math.min(15, cell * 0.6));
  const shown = drawnNames([...names, BACKGROUND], 150, size);
  const widest = Math.max(...shown.map((name) => textWidth(name, size)));
  const [left, top] = [Math.ceil(widest) + 50, 44];
  const side = n * cell;
  const values = normalized ? byColumn(counts, n) : Float64Array.from(counts);
  const scale = scaleOf(values, normalized);
  const barX = left + side + 24;
  const turned = n > 8 || shown.some((name) => textWidth(name, size) > cell - 6);
  const bottom = top + side + (turned ? widest + 12 : size + 14);
  const [width, height] = [barX + 90, Math.ceil(bottom + 30)];
  const children = [
    text(left + side / 2, 26, 18, title, { fill: INK, anchor: 'middle', bold: true }),
    ...cells(values, n, { left, top, cell }, { scale, normalized }),
    ...gridLines(n, { left, top, cell }),
    ...nameLabels(shown, { left, top, cell }, { size, turned }),
    text(left + side / 2, height - 12, 15, 'Labelled', { fill: INK, anchor: 'middle' }),
    text(20, top + side / 2, 15, 'Predicted', { fill: INK, anchor: 'middle', rotate: -90 }),
    ...colorBar(scale, normalized, barX, top, side),
  ];
  return svg(width, height, children, PAPER);
}

interface Grid {
  left: number;
  top: number;
  cell: number;
}

interface Scale {
  highest: number;
  /** Maps a positive value to 0..1. */
  at(value: number): number;
}

/** Logarithmic scale for counts, which differ much between common and rare classes; linear for normalized values. */
function scaleOf(values: Float64Array, normalized: boolean): Scale {
  const highest = normalized
    ? 1
    : Math.max(
        1,
        values.reduce((a, b) => Math.max(a, b), 0),
      );
  if (normalized) return { highest, at: (value) => value };
  return { highest, at: (value) => (highest > 1 ? Math.log(value) / Math.log(highest) : 1) };
}

/** Divides columns by their sum; empty columns remain 0. */
function byColumn(counts: ArrayLike<number>, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let c = 0; c < n; c++) {
    let sum = 0;
    for (let r = 0; r < n; r++) sum += counts[r * n + c];
    if (sum > 0) for (let r = 0; r < n; r++) out[r * n + c] = counts[r * n + c] / sum;
  }
  return out;
}

/** Cells with a value of 0 are not drawn. */
function cells(
  values: Float64Array,
  n: number,
  { left, top, cell }: Grid,
  { scale, normalized }: { scale: Scale; normalized: boolean },
): string[] {
  const out: string[] = [];
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < n; c++) {
      const value = values[r * n + c];
      if (value <= 0) continue;
      const color = quantityColor(scale.at(value));
      const [x, y] = [left + c * cell, top + r * cell];
      out.push(rect(x, y, cell, cell, { fill: hex(color) }));
      if (cell < MIN_NUMBERED) continue;
      const label = cellLabel(value, normalized, n > 30);
      const size = Math.min(cell * 0.45, 26, ((cell * 0.86) / textWidth(label, 100)) * 100);
      const style = { fill: hex(textColorOn(color)), anchor: 'middle', baseline: 'middle' } as const;
      out.push(text(x + cell / 2, y + cell / 2, size, label, style));
    }
  }
  return out;
}

/** @param tight without the leading 0 */
function cellLabel(value: number, normalized: boolean, tight: boolean): string {
  if (!normalized) return String(value);
  if (value > 0.995) return tight ? '1' : '1.00';
  const label = value.toFixed(2);
  return tight ? label.slice(1) : label;
}

/** Thin lines between cells, every tenth darker. */
function gridLines(n: number, { left, top, cell }: Grid): string[] {
  const end = n * cell;
  const through = (which: (i: number) => boolean): string => {
    let d = '';
    for (let i = 0; i <= n; i++) {
      if (!which(i)) continue;
      d += `M${left + i * cell} ${top}v${end}M${left} ${top + i * cell}h${end}`;
    }
    return d;
  };
  const tenth = (i: number): boolean => i % 10 === 0 || i >= n - 1;
  const fine = through((i) => !tenth(i) && cell >= MIN_NUMBERED);
  return [
    path(fine, { fill: 'none', stroke: GRID, strokeWidth: 0.7 }),
    path(through(tenth), { fill: 'none', stroke: '#a7adb8', strokeWidth: 0.9 }),
  ];
}

function nameLabels(
  names: readonly string[],
  { left, top, cell }: Grid,
  { size, turned }: { size: number; turned: boolean },
): string[] {
  const below = top + names.length * cell;
  const every = Math.ceil(size / cell);
  return names.flatMap((name, i) => {
    if (i % every && i !== names.length - 1) return [];
    const middle = (i + 0.5) * cell;
    const across = turned
      ? text(left + middle, below + 7, size, name, { fill: INK, anchor: 'end', baseline: 'middle', rotate: -90 })
      : text(left + middle, below + size + 6, size, name, { fill: INK, anchor: 'middle' });
    const beside = text(left - 7, top + middle, size, name, { fill: INK, anchor: 'end', baseline: 'middle' });
    return [beside, across];
  });
}

function colorBar({ highest, at }: Scale, normalized: boolean, x: number, y: number, height: number): string[] {
  const steps = 64;
  const out: string[] = [];
  for (let i = 0; i < steps; i++) {
    const from = y + height - ((i + 1) * height) / steps;
    out.push(rect(x, from, 18, height / steps + 0.6, { fill: hex(quantityColor((i + 0.5) / steps)) }));
  }
  for (const tick of barTicks(highest, normalized)) {
    const level = y + height - at(tick) * height;
    out.push(line(x + 18, level, x + 23, level, { stroke: MUTED, strokeWidth: 1 }));
    const label = normalized ? tick.toFixed(1) : grouped(String(tick));
    out.push(text(x + 28, level, 13, label, { fill: MUTED, baseline: 'middle' }));
  }
  return out;
}

/** 0, 0.2 … 1; for counts 1, 2, 5, 10 … and the highest. */
function barTicks(highest: number, normalized: boolean): number[] {
  if (normalized) return [0, 0.2, 0.4, 0.6, 0.8, 1];
  const ticks: number[] = [];
  for (let power = 1; power <= highest; power *= 10)
    for (const step of [1, 2, 5]) if (step * power < highest * 0.8) ticks.push(step * power);
  return [...ticks, highest];
}
