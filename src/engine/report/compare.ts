/** `yolo report`: several runs side by side, as a page, as text and as one object. */
import { basename, dirname, join, resolve } from 'node:path';
import { KEYS } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { writeFileAtomic } from '../../io/files.js';
import { type CompareRow, renderCompare } from '../../render/report/compare.js';
import type { ChartData } from '../../render/report/data.js';
import { createRunDir } from '../run-dir.js';
import { type RunFiles, readRun } from '../run-files.js';
import { shellWord, written } from './settings.js';

/** What a run reached; also a line of the terminal's table. */
export interface RunSummary {
  dir: string;
  name: string;
  /** Epochs done; 0 for a validation. */
  epochs: number;
  /** From 1; absent where no epoch was validated. */
  bestEpoch?: number;
  /** Seconds. */
  time?: number;
  precision?: number;
  recall?: number;
  mAP50?: number;
  'mAP50-95'?: number;
}

/** Runs side by side. */
export interface Comparison {
  runs: RunSummary[];
  /** Settings that differ: values by run, as written; '' where a run does not tell. */
  settings: Record<string, string[]>;
  /** The page. */
  report: string;
}

/** What is compared, and where the page goes. */
export interface CompareOptions {
  runs: readonly string[];
  /** Folder to write into; none: a new one beside the first run. */
  out?: string | null;
}

/** Settings that say where a run writes, not what it does. */
const PLACES = new Set(['name', 'project', 'exist_ok', 'json', 'verbose', 'plots', 'resume', 'mode', 'task']);

/** Compares runs and writes the page. @throws UserError for a folder that is no run */
export function compareRuns({ runs: folders, out }: CompareOptions): Comparison {
  if (!folders.length) {
    throw new UserError(
      'missing-runs',
      "'runs' is missing: which runs should be compared?",
      'for example: yolo report runs/detect/train runs/detect/train-2',
    );
  }
  const files = [...new Map(folders.map((dir) => [resolve(dir), dir])).values()].map(readRun);
  const names = shortNames(files.map(({ dir }) => dir));
  const runs = files.map((file, r) => summarize(file, names[r]));
  const settings = differingSettings(files);
  const dir = out ?? createRunDir({ project: dirname(files[0].dir) }, 'report');
  const report = join(dir, 'report.html');
  const page = renderCompare({
    title: names.length > 4 ? `${names.length} runs` : names.join(', '),
    runs: names,
    metrics: metricRows(runs),
    settings: Object.entries(settings).map(([name, values]) => ({ name, values })),
    classes: classRows(files),
    charts: charts(files, names),
    command: ['yolo', 'report', ...files.map((file) => shellWord(file.dir))].join(' '),
  });
  writeFileAtomic(report, page);
  return { runs, settings, report };
}

/** The last parts of paths, as many as are needed to tell them apart. */
function shortNames(dirs: readonly string[]): string[] {
  const full = dirs.map((dir) => resolve(dir));
  return full.map((path) => {
    let name = basename(path);
    for (let rest = dirname(path); full.some((other) => other !== path && `/${other}`.endsWith(`/${name}`)); ) {
      if (dirname(rest) === rest) return path;
      name = `${basename(rest)}/${name}`;
      rest = dirname(rest);
    }
    return name;
  });
}

/** Of a training run the figures of its best epoch, of a validation those of metrics.json. */
function summarize({ dir, epochs, metrics }: RunFiles, name: string): RunSummary {
  const column = 'metrics/mAP50-95(B)';
  const best = epochs.reduce((top, row, i) => ((row[column] ?? -1) > (epochs[top]?.[column] ?? -1) ? i : top), -1);
  const row = epochs[best];
  const figure = (key: keyof RunSummary & ('precision' | 'recall' | 'mAP50' | 'mAP50-95')): number | undefined =>
    row ? (row[`metrics/${key}(B)`] ?? undefined) : metrics?.[key];
  return {
    dir,
    name,
    epochs: epochs.length,
    bestEpoch: row?.epoch ?? undefined,
    time: epochs.at(-1)?.time ?? undefined,
    precision: figure('precision'),
    recall: figure('recall'),
    mAP50: figure('mAP50'),
    'mAP50-95': figure('mAP50-95'),
  };
}

function metricRows(runs: readonly RunSummary[]): CompareRow[] {
  const row = (name: string, key: keyof RunSummary, digits: number, hasBest = true): CompareRow => {
    const values = runs.map((run) => run[key] as number | undefined);
    const known = values.filter((value): value is number => value !== undefined);
    const best = hasBest && known.length > 1 ? values.indexOf(Math.max(...known)) : undefined;
    return { name, values: values.map((value) => value?.toFixed(digits) ?? ''), best };
  };
  return [
    row('mAP50-95', 'mAP50-95', 4),
    row('mAP50', 'mAP50', 4),
    row('Precision', 'precision', 4),
    row('Recall', 'recall', 4),
    row('Best epoch', 'bestEpoch', 0, false),
    row('Epochs', 'epochs', 0, false),
    row('Seconds', 'time', 0, false),
  ];
}

/** In the order of the option table; what only other tools know comes last. */
function differingSettings(files: readonly RunFiles[]): Record<string, string[]> {
  const known: readonly string[] = KEYS;
  const others = files.flatMap(({ args }) => Object.keys(args)).filter((key) => !known.includes(key));
  const out: Record<string, string[]> = {};
  for (const key of [...known, ...new Set(others)]) {
    if (PLACES.has(key)) continue;
    const values = files.map(({ args }) => written(args[key]));
    if (new Set(values).size > 1) out[key] = values;
  }
  return out;
}

function classRows(files: readonly RunFiles[]): CompareRow[] {
  const names = [...new Set(files.flatMap(({ metrics }) => metrics?.classes?.map(({ name }) => name) ?? []))];
  return names.map((name) => {
    const values = files.map(({ metrics }) => metrics?.classes?.find((row) => row.name === name)?.['mAP50-95']);
    const known = values.filter((value): value is number => value !== undefined);
    const best = known.length > 1 ? values.indexOf(Math.max(...known)) : undefined;
    return { name, values: values.map((value) => value?.toFixed(4) ?? ''), best };
  });
}

const CHARTS: [column: string, title: string, better?: 'higher' | 'lower'][] = [
  ['metrics/mAP50-95(B)', 'mAP50-95', 'higher'],
  ['metrics/mAP50(B)', 'mAP50', 'higher'],
  ['metrics/precision(B)', 'Precision', 'higher'],
  ['metrics/recall(B)', 'Recall', 'higher'],
  ['train/box_loss', 'box loss, training', 'lower'],
  ['val/box_loss', 'box loss, validation', 'lower'],
  ['train/cls_loss', 'cls loss, training', 'lower'],
  ['val/cls_loss', 'cls loss, validation', 'lower'],
  ['train/dfl_loss', 'dfl loss, training', 'lower'],
  ['val/dfl_loss', 'dfl loss, validation', 'lower'],
  ['lr/pg0', 'Learning rate'],
  ['time', 'Seconds since the start', 'lower'],
];

/** @returns undefined when no run has epochs */
function charts(files: readonly RunFiles[], names: readonly string[]): ChartData | undefined {
  const x = [...new Set(files.flatMap(({ epochs }) => epochs.map((row) => row.epoch ?? 0)))].sort((a, b) => a - b);
  if (!x.length) return undefined;
  return {
    xLabel: 'epoch',
    x,
    charts: CHARTS.map(([column, title, better]) => ({
      title,
      better,
      series: files.flatMap(({ epochs }, r) =>
        epochs.length
          ? [
              {
                name: names[r],
                x: epochs.map((row) => row.epoch ?? 0),
                values: epochs.map((row) => row[column] ?? null),
              },
            ]
          : [],
      ),
    })),
  };
}
