/**
 * Colours of charts for colour-blind readers: Okabe and Ito (2008), "Color Universal Design", for lines; viridis (van der
 * Walt and Smith 2015, CC0), which is uniform in lightness, for quantities.
 */
import type { Rgb } from '../palette.js';

/** Text; secondary text and axes; grid lines; background. */
export const INK = '#1f2430';
export const MUTED = '#5b6270';
export const GRID = '#e3e6eb';
export const PAPER = '#ffffff';

/** Okabe and Ito's colours without yellow, which is too light on white, and black, which is used for the mean. */
const LINE_COLORS = ['#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#56B4E9'];
const DASHES: readonly (readonly number[] | undefined)[] = [undefined, [7, 3], [2, 2.5], [9, 3, 2, 3]];

/** Colours of single lines. */
export const BLUE = LINE_COLORS[0];
export const ORANGE = LINE_COLORS[1];

/** Number of distinct combinations of colour and dashes. */
export const LINE_STYLES = LINE_COLORS.length * DASHES.length;

/** Colour and dashes of the i-th line; the colours repeat with other dashes. */
export function lineStyle(i: number): { stroke: string; dash?: readonly number[] } {
  const dash = DASHES[Math.floor(i / LINE_COLORS.length) % DASHES.length];
  return { stroke: LINE_COLORS[i % LINE_COLORS.length], ...(dash && { dash }) };
}

/** Viridis at nine evenly spaced points, from light to dark. */
const VIRIDIS = ['fde725', 'addc30', '5ec962', '28ae80', '21918c', '2c728e', '3b528b', '472d7b', '440154'].map(
  (hex): Rgb => [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb,
);

/** Colour of a quantity. @param t 0 (light) … 1 (dark) */
export function quantityColor(t: number): Rgb {
  const at = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return VIRIDIS[low].map((v, c) => Math.round(v + (VIRIDIS[low + 1][c] - v) * (at - low))) as unknown as Rgb;
}

/** A colour as `#rrggbb`. */
export function hex(color: Rgb): string {
  return `#${color.map((v) => v.toString(16).padStart(2, '0')).join('')}`;
}
