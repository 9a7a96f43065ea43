/** results.png: losses and metrics over the epochs, a panel each, measured and smoothed. */
import { circle, polyline, svg, text } from '../svg.js';
import { frame } from './axes.js';
import { BLUE, MUTED, ORANGE, PAPER } from './colors.js';
import { roundRange } from './ticks.js';

/** A column of results.csv: a value per epoch, NaN if it was not measured. */
export interface Series {
  title: string;
  values: readonly number[];
}

const COLUMNS = 5;
const PANEL = { width: 300, height: 270 };
/** Standard deviation of the Gaussian filter, epochs (Ultralytics 8.4, plot_results). */
const SIGMA = 3;
/** With more epochs only lines are drawn, no dots. */
const MAX_POINTS = 60;

/**
 * @param epochs number of each epoch
 * @param series in rows of five panels
 * @returns an SVG document
 */
export function resultsChart(epochs: readonly number[], series: readonly Series[]): string {
  const rows = Math.ceil(series.length / COLUMNS);
  const margin = 12;
  const [width, height] = [COLUMNS * PANEL.width + 2 * margin, rows * PANEL.height + 2 * margin + LEGEND];
  const panels = series.map(({ title, values }, i) => {
    const x = margin + (i % COLUMNS) * PANEL.width;
    const y = margin + LEGEND + Math.floor(i / COLUMNS) * PANEL.height;
    return panel(x, y, title, epochs, values);
  });
  return svg(width, height, [...panels.flat(), ...legend(margin + 8, margin)], PAPER);
}

const LEGEND = 22;

function panel(x: number, y: number, title: string, epochs: readonly number[], values: readonly number[]): string[] {
  const [first, last] = [epochs[0] ?? 1, epochs.at(-1) ?? 1];
  const measured = values.filter(Number.isFinite);
  const { under, plot, px, py } = frame(
    { x, y, width: PANEL.width - 10, height: PANEL.height - 8 },
    {
      title,
      x: { label: 'epoch', range: first === last ? [first - 0.5, last + 0.5] : [first, last], whole: true },
      y: { range: roundRange(measured, 5), ticks: 6 },
    },
  );
  if (!measured.length) {
    const [cx, cy] = [plot.x + plot.width / 2, plot.y + plot.height / 2];
    return [...under, text(cx, cy, 12, 'not measured', { fill: MUTED, anchor: 'middle', baseline: 'middle' })];
  }
  const known = epochs.map((epoch, i) => [epoch, values[i]] as const).filter(([, value]) => Number.isFinite(value));
  const points = known.map(([epoch, value]) => [px(epoch), py(value)] as const);
  const smoothed = smooth(known.map(([, value]) => value)).map((value, i) => [points[i][0], py(value)] as const);
  const dots = points.length <= MAX_POINTS ? points.map(([cx, cy]) => circle(cx, cy, 2.6, { fill: BLUE })) : [];
  return [
    ...under,
    polyline(points, { stroke: BLUE, strokeWidth: 1.4 }),
    ...dots,
    ...(points.length > 2 ? [polyline(smoothed, { stroke: ORANGE, strokeWidth: 2.2, dash: [5, 3] })] : []),
  ];
}

function legend(x: number, y: number): string[] {
  const middle = y + LEGEND / 2 - 4;
  const entry = (at: number, style: Parameters<typeof polyline>[1], name: string): string[] => [
    polyline(
      [
        [at, middle],
        [at + 26, middle],
      ],
      style,
    ),
    text(at + 32, middle, 12, name, { fill: MUTED, baseline: 'middle' }),
  ];
  return [
    ...entry(x, { stroke: BLUE, strokeWidth: 1.4 }, 'measured'),
    circle(x + 13, middle, 2.6, { fill: BLUE }),
    ...entry(x + 110, { stroke: ORANGE, strokeWidth: 2.2, dash: [5, 3] }, 'smoothed'),
  ];
}

/** Gaussian filter; the series is mirrored at the ends. @param sigma standard deviation, in samples */
export function smooth(values: readonly number[], sigma = SIGMA): number[] {
  const n = values.length;
  const reach = Math.ceil(4 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = weights.reduce((a, b) => a + b, 0);
  const mirrored = (i: number): number => {
    const at = ((i % (2 * n)) + 2 * n) % (2 * n);
    return values[at < n ? at : 2 * n - 1 - at];
  };
  return values.map((_, i) => weights.reduce((sum, w, k) => sum + w * mirrored(i + k - reach), 0) / total);
}
