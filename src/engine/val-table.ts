/** The rows that validation prints: Class, Images, Instances, P, R, mAP50, mAP50-95. */
import { ERROR_KINDS, ERROR_MEANING } from '../metrics/errors.js';
import type { Metrics } from '../metrics/tally.js';

const WIDTH = 22;

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

/** What costs most, a line each: kind, cost in mAP50, meaning. */
export function costRows({ costs }: Metrics): string[] {
  if (!costs) return [];
  const sorted = [...ERROR_KINDS].sort((a, b) => costs[b] - costs[a]);
  return sorted.map((kind) => `${kind.padStart(WIDTH)}${short(costs[kind]).padStart(11)}  ${ERROR_MEANING[kind]}`);
}

/** COCO's figures as one line. */
export function cocoRow({ coco }: Metrics): string {
  if (!coco) return '';
  return Object.entries(coco)
    .map(([name, value]) => `${name} ${value < 0 ? '-' : value.toFixed(3)}`)
    .join(' · ');
}

/** Three significant digits, as the reference prints them. */
function short(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(3)).toString();
}

function row(name: string, cells: string[]): string {
  const shown = name.length > WIDTH ? `${name.slice(0, WIDTH - 1)}…` : name;
  return shown.padStart(WIDTH) + cells.map((cell) => cell.padStart(11)).join('');
}
