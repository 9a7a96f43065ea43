/** The rows that validation prints: Class, Images, Instances, P, R, mAP50, mAP50-95. */
import { ERROR_KINDS, ERROR_MEANING } from '../../metrics/errors.js';
import type { Metrics } from '../../metrics/tally.js';

/** Columns of the name and of the figures behind it: 80 in all. */
const WIDTH = 20;
const WIDTHS = [8, 11, 10, 10, 10, 11];
const KIND = 14;
const COST = 8;

/** The row of names over `tableRows`. */
export function tableHeader(): string {
  return row('Class', ['Images', 'Instances', 'P', 'R', 'mAP50', 'mAP50-95']);
}

/** @param perClass a row for each class, too (when there is more than one) */
export function tableRows(metrics: Metrics, perClass: boolean): string[] {
  const figures = (m: Pick<Metrics, 'precision' | 'recall' | 'mAP50' | 'mAP50-95'>): string[] =>
    [m.precision, m.recall, m.mAP50, m['mAP50-95']].map(short);
  const rows = [row('all', [String(metrics.images), String(metrics.instances), ...figures(metrics)])];
  if (!perClass || metrics.classes.length < 2) return rows;
  for (const c of metrics.classes) rows.push(row(c.name, [String(c.images), String(c.instances), ...figures(c)]));
  return rows;
}

/** Kinds of mistakes, the costliest first, a line each: kind, cost in mAP50, meaning. */
export function costRows({ costs }: Metrics): string[] {
  if (!costs) return [];
  const sorted = [...ERROR_KINDS].sort((a, b) => costs[b] - costs[a]);
  return sorted.map((kind) => `${kind.padStart(KIND)}${short(costs[kind]).padStart(COST)}  ${ERROR_MEANING[kind]}`);
}

/** COCO's figures: a line of precision, a line of recall. */
export function cocoRows({ coco }: Metrics): string[] {
  if (!coco) return [];
  const cells = Object.entries(coco).map(([name, value]) => `${name} ${value < 0 ? '-' : value.toFixed(3)}`);
  const line = (start: string): string => cells.filter((cell) => cell.startsWith(start)).join(' · ');
  return [`COCO: ${line('AP')}`, `      ${line('AR')}`];
}

/** Three significant digits, as Ultralytics prints them; at most five decimals. */
function short(value: number): string {
  return Number(value < 0.001 ? value.toFixed(5) : value.toPrecision(3)).toString();
}

function row(name: string, cells: string[]): string {
  const shown = name.length > WIDTH ? `${name.slice(0, WIDTH - 1)}…` : name;
  return shown.padStart(WIDTH) + cells.map((cell, i) => cell.padStart(WIDTHS[i])).join('');
}
