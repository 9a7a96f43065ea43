/** labels.jpg: number of objects per class, and distributions of their sizes and positions. */
import { textWidth } from '../glyphs.js';
import { classColorHex } from '../palette.js';
import { line, path, rect, svg, text } from '../svg.js';
import { type Area, drawnNames, frame } from './axes.js';
import { hex, INK, MUTED, PAPER, quantityColor } from './colors.js';
import { grouped, roundRange, tickLabels, ticksBetween } from './ticks.js';

/** Labels of a dataset. */
export interface LabelsChart {
  names: readonly string[];
  /** [N, 5] class cx cy w h, fractions of the image size. */
  labels: Float32Array;
}

const WIDTH = 1360;
const BARS = 380;
const SQUARE = 440;
const MARGIN = 14;
/** Bins per side of the density maps, depending on the number of boxes. */
const [MIN_BINS, MAX_BINS] = [12, 50];
/** Maximum number of boxes drawn in one plot; more are sampled. */
const MAX_BOXES = 1000;

/** @returns an SVG document */
export function labelsChart({ names, labels }: LabelsChart): string {
  const counts = new Array<number>(names.length).fill(0);
  for (let i = 0; i < labels.length; i += 5) counts[labels[i]]++;
  const squareTop = MARGIN + BARS + 10;
  const square = (i: number): Area => ({
    x: MARGIN + i * (SQUARE + 6),
    y: squareTop,
    width: SQUARE - 6,
    height: SQUARE,
  });
  const column = (k: number): Float64Array =>
    Float64Array.from({ length: labels.length / 5 }, (_, i) => labels[5 * i + k]);
  return svg(
    WIDTH,
    squareTop + SQUARE + MARGIN,
    [
      ...countBars({ x: MARGIN, y: MARGIN, width: WIDTH - 2 * MARGIN, height: BARS }, names, counts),
      ...overlay(square(0), labels),
      ...density(square(1), 'Centres of the boxes', ['x', 'y'], column(1), column(2), true),
      ...density(square(2), 'Sizes of the boxes', ['width', 'height'], column(3), column(4), false),
    ],
    PAPER,
  );
}

/** Bar chart of the number of objects per class; counts and names are shown if there is room. */
function countBars(area: Area, names: readonly string[], counts: readonly number[]): string[] {
  const total = counts.reduce((a, b) => a + b, 0);
  const absent = counts.filter((count) => count === 0).length;
  const slot = (area.width - 70) / names.length;
  const size = Math.max(8.5, Math.min(14, slot * 0.62));
  const shown = drawnNames(names, 120, size);
  const turned = shown.some((name) => textWidth(name, size) > slot - 4);
  const foot = turned ? Math.max(...shown.map((name) => textWidth(name, size))) + 14 : size + 14;
  const [, high] = roundRange([0, Math.max(...counts, 1)], 5, true);
  const plot = { x: area.x + 62, y: area.y + 42, width: area.width - 70, height: area.height - 42 - foot };
  const py = (value: number): number => plot.y + plot.height * (1 - value / high);
  const none = absent ? `, ${absent} ${absent === 1 ? 'class' : 'classes'} without any` : '';
  const title = `Objects per class: ${grouped(String(total))} in all${none}`;
  const out = [text(plot.x + plot.width / 2, area.y + 18, 15, title, { fill: INK, anchor: 'middle', bold: true })];
  const ticks = ticksBetween(0, high, 5, true);
  ticks.forEach((tick, i) => {
    out.push(line(plot.x, py(tick), plot.x + plot.width, py(tick), { stroke: '#e3e6eb', strokeWidth: 1 }));
    const style = { fill: MUTED, anchor: 'end', baseline: 'middle' } as const;
    out.push(text(plot.x - 8, py(tick), 12, tickLabels(ticks)[i], style));
  });
  const every = Math.ceil(size / slot); // with hundreds of classes there is no room for all names
  names.forEach((_, i) => {
    const middle = plot.x + (i + 0.5) * slot;
    const width = Math.min(slot * 0.78, 120);
    out.push(rect(middle - width / 2, py(counts[i]), width, py(0) - py(counts[i]), { fill: classColorHex(i) }));
    if (i % every) return;
    const label = String(counts[i]);
    const small = Math.min(12, size);
    const upright = textWidth(label, small) > slot - 1;
    const style = upright
      ? ({ anchor: 'start', baseline: 'middle', rotate: -90 } as const)
      : ({ anchor: 'middle' } as const);
    if (every === 1)
      out.push(text(middle, py(counts[i]) - 4, small, label, { fill: counts[i] ? INK : '#b00020', ...style }));
    out.push(
      turned
        ? text(middle, py(0) + 7, size, shown[i], { fill: INK, anchor: 'end', baseline: 'middle', rotate: -90 })
        : text(middle, py(0) + size + 6, size, shown[i], { fill: INK, anchor: 'middle' }),
    );
  });
  out.push(line(plot.x, py(0), plot.x + plot.width, py(0), { stroke: MUTED, strokeWidth: 1 }));
  return out;
}

/** Boxes with a common centre, in the colours of their classes. */
function overlay(area: Area, labels: Float32Array): string[] {
  const { under, px, py } = frame(area, {
    title: 'Shapes of the boxes',
    x: { label: 'width', range: [0, 1] },
    y: { label: 'height', range: [0, 1] },
    grid: false,
  });
  const n = labels.length / 5;
  const every = Math.max(1, n / MAX_BOXES);
  const outlines = new Map<number, string>();
  for (let k = 0; k < n; k += every) {
    const [cls, , , w, h] = labels.subarray(5 * Math.floor(k), 5 * Math.floor(k) + 5);
    const [left, top] = [px(0.5 - w / 2), py(0.5 + h / 2)];
    const [wide, high] = [px(0.5 + w / 2) - left, py(0.5 - h / 2) - top];
    const d = `M${left.toFixed(1)} ${top.toFixed(1)}h${wide.toFixed(1)}v${high.toFixed(1)}h${(-wide).toFixed(1)}z`;
    outlines.set(cls, (outlines.get(cls) ?? '') + d);
  }
  const boxes = [...outlines].map(([cls, d]) =>
    path(d, { fill: 'none', stroke: classColorHex(cls), strokeWidth: 1, opacity: 0.6 }),
  );
  return [...under, ...boxes];
}

/** Two-dimensional histogram. @param down y points down, as in an image */
function density(
  area: Area,
  title: string,
  [xLabel, yLabel]: [string, string],
  xs: Float64Array,
  ys: Float64Array,
  down: boolean,
): string[] {
  const n = Math.max(MIN_BINS, Math.min(MAX_BINS, Math.round(Math.sqrt(xs.length))));
  const bins = histogram(xs, ys, n);
  const most = bins.reduce((a, b) => Math.max(a, b), 1);
  const { under, plot, px, py } = frame(area, {
    title: `${title} (at most ${grouped(String(most))} on a spot)`,
    x: { label: xLabel, range: [0, 1] },
    y: { label: yLabel, range: down ? [1, 0] : [0, 1] },
    grid: false,
  });
  const [w, h] = [plot.width / n, plot.height / n];
  const out = [...under];
  bins.forEach((count, at) => {
    if (!count) return;
    const x = px((at % n) / n);
    const row = Math.floor(at / n);
    const y = py((down ? row : row + 1) / n);
    const t = most > 1 ? Math.log(count) / Math.log(most) : 0.5;
    out.push(rect(x, y, w + 0.15, h + 0.15, { fill: hex(quantityColor(0.1 + 0.9 * t)) }));
  });
  return out;
}

/** @param xs 0..1 @param ys 0..1 @returns [n, n] counts, rows by y */
export function histogram(xs: ArrayLike<number>, ys: ArrayLike<number>, n: number): Uint32Array {
  const bins = new Uint32Array(n * n);
  const at = (v: number): number => Math.min(n - 1, Math.max(0, Math.floor(v * n)));
  for (let i = 0; i < xs.length; i++) bins[at(ys[i]) * n + at(xs[i])]++;
  return bins;
}
