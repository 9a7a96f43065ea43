/**
 * One label file: rows `class cx cy w h` in 0..1 of the image, or `class x1 y1 x2 y2 x3 y3 …`, a polygon that becomes
 * its box. A wrong row makes the file corrupt; a duplicate or an empty box is dropped and said.
 */
import { xyxyToXywh } from '../core/boxes.js';
import type { FindingKind } from './finding.js';

/** Raise it when the meaning of what is cached changes: caches of older versions are then made anew. */
export const PARSER_VERSION = 4;
/** A coordinate over this was hardly meant as a part of the image. */
export const LIKE_PIXELS = 2;
/** Values may be this far outside 0..1 (rounding of labelling tools); they are cut back. */
const TOLERANCE = 0.01;
/** More objects in one image than can be assigned to anchor points in a usual memory. */
const MAX_LABELS = 16_384;
/** Findings of one file that are kept: a file of a million wrong rows is told by its first ones. */
const MAX_FINDINGS = 100;

export interface RowFinding {
  kind: FindingKind;
  corrupt: boolean;
  line: number;
  /** The number that is wrong, of kinds 'bad-class' and 'out-of-range'. */
  value?: number;
  message: string;
}

export interface ParsedLabels {
  /** Rows of 5: class, cx, cy, w, h in 0..1; empty when the file is corrupt. */
  rows: Float32Array;
  /** How many rows were polygons. */
  polygons: number;
  /** How many rows were dropped because they stood there before. */
  duplicates: number;
  findings: RowFinding[];
}

/**
 * Reads the text of a label file.
 * @param nc number of classes; a class id of nc or more is wrong
 */
export function parseLabels(text: string, nc: number): ParsedLabels {
  const findings: RowFinding[] = [];
  const rows: number[] = [];
  const seen = new Map<string, number>();
  const say = (finding: RowFinding): void => {
    if (findings.length < MAX_FINDINGS) findings.push(finding);
  };
  let [polygons, duplicates, line] = [0, 0, 0];
  for (const raw of text.split('\n')) {
    line++;
    const row = raw.trim();
    if (!row) continue;
    const earlier = seen.get(row);
    if (earlier !== undefined) {
      duplicates++;
      say({ kind: 'duplicate-row', corrupt: false, line, message: `the same row as line ${earlier}; dropped` });
      continue;
    }
    seen.set(row, line);
    const values = row.split(/[\s,]+/).map((token) => Number(token));
    const checked = checkRow(values, nc);
    if ('kind' in checked) {
      const corrupt = checked.kind !== 'empty-box';
      const finding = { ...checked, corrupt, line, message: `${checked.message} in '${row.slice(0, 60)}'` };
      say(finding);
      if (finding.corrupt && findings.length === MAX_FINDINGS) return broken(findings, finding);
      continue;
    }
    if (values.length > 5) polygons++;
    rows.push(...checked.box);
    if (rows.length > 5 * MAX_LABELS) return broken([], tooMany(line));
  }
  const corrupt = findings.some((finding) => finding.corrupt);
  return { rows: new Float32Array(corrupt ? [] : rows), polygons, duplicates, findings };
}

/** A file that is given up: what was found, and why. */
function broken(findings: RowFinding[], why: RowFinding): ParsedLabels {
  return { rows: new Float32Array(0), polygons: 0, duplicates: 0, findings: [...findings.slice(0, -1), why] };
}

function tooMany(line: number): RowFinding {
  const message = `more than ${MAX_LABELS} objects in one image`;
  return { kind: 'too-many-labels', corrupt: true, line, message };
}

type Checked = { box: number[] } | Pick<RowFinding, 'kind' | 'message' | 'value'>;

/** A row's class and box, or what is wrong with it. */
function checkRow(values: number[], nc: number): Checked {
  const wrong = (kind: FindingKind, message: string, value?: number): Checked => ({
    kind,
    message,
    ...(value !== undefined && { value }),
  });
  if (values.some((value) => !Number.isFinite(value))) return wrong('not-a-number', 'not a number');
  const n = values.length;
  if (n !== 5 && (n < 7 || n % 2 === 0))
    return wrong('wrong-columns', `expected 5 columns (class cx cy w h) or a polygon, got ${n}`);
  const id = values[0];
  if (!Number.isInteger(id) || id < 0) return wrong('bad-class', `class ${id} is not a whole number from 0`, id);
  if (id >= nc) return wrong('bad-class', `class ${id}, but the dataset has ${nc} (0 to ${nc - 1})`, id);
  if (n === 5 && (values[3] < 0 || values[4] < 0))
    return wrong('negative-size', `negative size ${values[3]} x ${values[4]}`);
  for (let i = 1; i < n; i++) {
    const value = values[i];
    if (value < -TOLERANCE || value > 1 + TOLERANCE) {
      const guess = value > LIKE_PIXELS ? ' (pixels, not fractions?)' : '';
      return wrong('out-of-range', `${value} is outside 0..1${guess}`, value);
    }
    values[i] = Math.min(1, Math.max(0, values[i]));
  }
  const box = n === 5 ? values : [id, ...polygonBox(values)];
  return box[3] > 0 && box[4] > 0 ? { box } : wrong('empty-box', 'a box without area; dropped');
}

/** @returns cx, cy, w, h of the hull of the points after the class */
function polygonBox(values: number[]): number[] {
  let [x1, y1, x2, y2] = [1, 1, 0, 0];
  for (let i = 1; i < values.length; i += 2) {
    x1 = Math.min(x1, values[i]);
    x2 = Math.max(x2, values[i]);
    y1 = Math.min(y1, values[i + 1]);
    y2 = Math.max(y2, values[i + 1]);
  }
  return xyxyToXywh([x1, y1, x2, y2]);
}
