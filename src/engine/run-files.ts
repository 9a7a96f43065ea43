/** What a run folder tells about its run: results.csv, args.yaml and metrics.json, as train and val write them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readYamlObject } from '../cfg/yaml.js';
import { messageOf, UserError } from '../core/errors.js';

/** The files of a run, read. */
export interface RunFiles {
  dir: string;
  /** Settings by key; empty without args.yaml. */
  args: Record<string, unknown>;
  /** Rows of results.csv by column name; a value that is not there or no number is null. */
  epochs: Record<string, number | null>[];
  /** metrics.json. */
  metrics?: RunMetrics;
}

/** What is read of metrics.json; all figures 0..1. */
export interface RunMetrics {
  precision?: number;
  recall?: number;
  mAP50?: number;
  'mAP50-95'?: number;
  classes?: { name: string; 'mAP50-95': number }[];
}

/** @throws UserError when the folder is not there, is no run, or a file in it can't be read */
export function readRun(dir: string): RunFiles {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UserError('no-run', `there is no folder ${dir}`, 'name folders that yolo train or yolo val made');
  }
  const [results, args, metrics] = ['results.csv', 'args.yaml', 'metrics.json'].map((name) => join(dir, name));
  if (!existsSync(results) && !existsSync(metrics)) {
    throw new UserError(
      'no-run',
      `${dir} is no run: it has neither results.csv nor metrics.json`,
      'name folders that yolo train or yolo val made',
    );
  }
  return {
    dir,
    args: existsSync(args) ? readYamlObject(args, 'model and data') : {},
    epochs: parsed(results, parseResults) ?? [],
    metrics: parsed(metrics, (text) => JSON.parse(text) as RunMetrics),
  };
}

function parsed<T>(path: string, parse: (text: string) => T): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UserError('broken-run', `${path} can't be read: ${messageOf(error).split('\n')[0]}`);
  }
}

/** Numbers with commas between them, under a row of names; spaces beside them are allowed, as other tools write them. */
function parseResults(text: string): RunFiles['epochs'] {
  const [head = '', ...lines] = text.split(/\r?\n/).filter((line) => line.trim());
  const names = head.split(',').map((name) => name.trim());
  if (!names.includes('epoch')) throw new Error("it has no column 'epoch'");
  return lines.map((line) => {
    const cells = line.split(',').map((cell) => cell.trim());
    const number = (cell: string | undefined): number | null => {
      const value = cell ? Number(cell) : Number.NaN;
      return Number.isFinite(value) ? value : null;
    };
    return Object.fromEntries(names.map((name, i) => [name, number(cells[i])]));
  });
}
