/** `yolo report`: runs side by side, one per line on standard output (one object with json=true), and a page. */
import type { ConfigOf } from '../../cfg/schema.js';
import { log } from '../../core/log.js';
import type { Comparison, RunSummary } from '../../engine/report/compare.js';
import { clock } from '../format.js';
import { print, printJson } from '../terminal.js';

const NAME = 24;
const WIDTHS = [7, 6, 10, 9, 7, 7, 10];
/** Room for the values of a setting in a line of 80 columns. */
const VALUES = 60;

export async function run(config: ConfigOf<'report'>): Promise<number> {
  const { compareRuns } = await import('../../engine/report/compare.js');
  const comparison = compareRuns(config);
  if (config.json) printJson(comparison);
  else for (const line of comparisonLines(comparison)) print(line);
  log.info(`Report saved to ${comparison.report}`);
  return 0;
}

/** Tables of 80 columns: what the runs reached, then in what they differ. */
export function comparisonLines({ runs, settings }: Pick<Comparison, 'runs' | 'settings'>): string[] {
  const lines = [row('Run', ['Epochs', 'Best', 'mAP50-95', 'mAP50', 'P', 'R', 'Time']), ...runs.map(runLine)];
  const keys = Object.entries(settings);
  if (!keys.length) return runs.length > 1 ? [...lines, '', 'No setting differs.'] : lines;
  const indent = Math.max(...keys.map(([key]) => key.length)) + 2;
  const width = Math.max(8, Math.floor(VALUES / runs.length) - 3);
  const cut = (value: string): string => (value.length > width ? `…${value.slice(1 - width)}` : value || '-');
  return [
    ...lines,
    '',
    'Settings that differ:',
    ...keys.map(([key, values]) => `  ${key.padEnd(indent)}${values.map(cut).join(' | ')}`),
  ];
}

function runLine({ name, epochs, bestEpoch, time, ...figures }: RunSummary): string {
  const three = (value: number | undefined): string => value?.toFixed(3) ?? '-';
  const { mAP50, precision, recall } = figures;
  const cells = [three(figures['mAP50-95']), three(mAP50), three(precision), three(recall)];
  return row(name, [
    epochs ? String(epochs) : '-',
    String(bestEpoch ?? '-'),
    ...cells,
    time === undefined ? '-' : clock(time),
  ]);
}

function row(name: string, cells: readonly string[]): string {
  const shown = name.length > NAME ? `…${name.slice(1 - NAME)}` : name;
  return shown.padEnd(NAME) + cells.map((cell, i) => cell.padStart(WIDTHS[i])).join('');
}
