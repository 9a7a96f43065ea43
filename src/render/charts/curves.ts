/**
 * Curves over confidence or recall, a line per class and the mean. Up to 20 classes each has its own style and legend entry;
 * of more classes the best and the worst do, and the others are grey.
 */
import { textWidth } from '../glyphs.js';
import { line, polyline, rect, svg, text } from '../svg.js';
import { fittedName, frame } from './axes.js';
import { INK, LINE_STYLES, lineStyle, MUTED, PAPER } from './colors.js';

/** Curve of a class. */
export interface ClassCurve {
  class: number;
  name: string;
  /** Values at evenly spaced points from 0 to 1. */
  values: ArrayLike<number>;
  /** Value in the legend, by which classes are sorted. */
  figure: number;
}

/** Curves of all classes. */
export interface CurvesChart {
  title: string;
  xLabel: string;
  yLabel: string;
  curves: readonly ClassCurve[];
  mean: { label: string; values: ArrayLike<number> };
  /** Name of `figure`, e.g. 'AP50'. */
  figure: string;
  /** A vertical line. */
  mark?: { x: number; label: string };
}

/** Maximum number of classes that all have their own style. */
const MAX_NAMED = Math.min(20, LINE_STYLES);
/** With more classes, the number of best and of worst classes with their own style. */
const EXTREMES = 6;
const PLOT = { width: 760, height: 620 };
const LEGEND_WIDTH = 270;
const SIZE = 13;
/** Points per line, about as many as the image can show. */
const POINTS = 400;

type Entry = {
  label: string;
  figure?: string;
  style?: { stroke: string; strokeWidth: number; dash?: readonly number[] };
};

/** @returns an SVG document */
export function curvesChart(chart: CurvesChart): string {
  const { under, plot, px, py } = frame(
    { x: 12, y: 8, width: PLOT.width, height: PLOT.height },
    {
      title: chart.title,
      x: { label: chart.xLabel, range: [0, 1], ticks: 10 },
      y: { label: chart.yLabel, range: [0, 1], ticks: 10 },
      size: SIZE,
    },
  );
  const draw = (values: ArrayLike<number>, style: Parameters<typeof polyline>[1]): string =>
    polyline(
      sampled(values).map(([x, y]) => [px(x), py(y)] as const),
      style,
    );
  const { named, rest, entries } = divide(chart);
  const meanStyle = { stroke: '#000000', strokeWidth: 3.2 };
  const shapes = [
    ...rest.map(({ values }) => draw(values, { stroke: '#c3c8d0', strokeWidth: 1 })),
    ...named.map(({ curve, style }) => draw(curve.values, style)),
    draw(chart.mean.values, meanStyle),
  ];
  if (chart.mark) shapes.push(...mark(chart.mark, plot, px));
  const legend = [{ label: chart.mean.label, style: meanStyle }, ...entries];
  const right = PLOT.width + 36;
  return svg(
    right + LEGEND_WIDTH,
    PLOT.height + 20,
    [...under, ...shapes, ...legendRows(legend, chart.figure, right, plot.y, plot.height)],
    PAPER,
  );
}

function divide({ curves, figure }: CurvesChart) {
  const falling = [...curves].sort((a, b) => b.figure - a.figure || a.class - b.class);
  const few = curves.length <= MAX_NAMED;
  const chosen = few ? falling : [...falling.slice(0, EXTREMES), ...falling.slice(-EXTREMES)];
  const named = chosen.map((curve, i) => ({ curve, style: { ...lineStyle(i), strokeWidth: 1.8 } }));
  const rows = named.map(
    ({ curve, style }): Entry => ({
      label: curve.name,
      figure: figure ? curve.figure.toFixed(3) : undefined,
      style,
    }),
  );
  const others = curves.length - chosen.length;
  const entries: Entry[] = few
    ? rows
    : [
        { label: `best ${EXTREMES}` },
        ...rows.slice(0, EXTREMES),
        { label: `worst ${EXTREMES}` },
        ...rows.slice(EXTREMES),
        { label: `${others} others`, style: { stroke: '#c3c8d0', strokeWidth: 1.4 } },
      ];
  return { named, rest: few ? [] : falling.slice(EXTREMES, -EXTREMES), entries };
}

function mark(
  { x, label }: { x: number; label: string },
  plot: { y: number; height: number },
  px: (value: number) => number,
): string[] {
  const left = x > 0.6;
  const style = { fill: INK, anchor: left ? 'end' : 'start', baseline: 'middle' } as const;
  const at = px(x);
  const [wide, y] = [textWidth(label, SIZE - 1) + 8, plot.y + plot.height - 14];
  return [
    line(at, plot.y, at, plot.y + plot.height, { stroke: MUTED, strokeWidth: 1.2, dash: [4, 4] }),
    rect(left ? at - 2 - wide : at + 2, y - 10, wide, 20, { fill: PAPER, opacity: 0.85 }),
    text(at + (left ? -6 : 6), y, SIZE - 1, label, style),
  ];
}

function legendRows(entries: readonly Entry[], figure: string, x: number, y: number, height: number): string[] {
  const step = Math.min(24, height / (entries.length + 1));
  const size = Math.min(SIZE, step * 0.75);
  const end = x + LEGEND_WIDTH - 16;
  const out = figure ? [text(end, y + step / 2, size, figure, { fill: MUTED, anchor: 'end', baseline: 'middle' })] : [];
  entries.forEach(({ label, figure: value, style }, i) => {
    const middle = y + step * (i + 1.5);
    if (style) out.push(line(x, middle, x + 30, middle, style));
    const from = style ? x + 38 : x;
    const room = end - from - (value ? textWidth(value, size) + 10 : 0);
    const shown = fittedName(label, i, room, size);
    out.push(text(from, middle, size, shown, { fill: style ? INK : MUTED, baseline: 'middle' }));
    if (value) out.push(text(end, middle, size, value, { fill: INK, anchor: 'end', baseline: 'middle' }));
  });
  return out;
}

/** @returns x, y pairs, reduced to about POINTS; points where the slope changes are kept */
function sampled(values: ArrayLike<number>): [number, number][] {
  const last = values.length - 1;
  const every = Math.max(1, Math.floor(values.length / POINTS));
  const points: [number, number][] = [];
  for (let i = 0; i <= last; i++) {
    const kink = i > 0 && i < last && Math.abs(values[i + 1] - 2 * values[i] + values[i - 1]) > 0.01;
    if (i % every === 0 || i === last || kink) points.push([i / last, values[i]]);
  }
  return points;
}
