/**
 * Parses a label file: rows `class cx cy w h` in 0..1 of the image, or `class x1 y1 x2 y2 x3 y3 …`, a polygon, which is
 * converted to its bounding box. An invalid row makes the file corrupt; duplicate rows and empty boxes are dropped, with a
 * finding.
 */
import { xyxyToXywh } from '../core/boxes.js';
import type { FindingKind } from './finding.js';

/** To be increased when the meaning of cached results changes: caches of other versions are ignored. */
export const PARSER_VERSION = 4;
/** Coordinates above this are probably in pixels, not in 0..1. */
export const LIKE_PIXELS = 2;
/** Values may be this far outside 0..1 (rounding of labelling tools); they are clipped. */
const TOLERANCE = 0.01;
/** Maximum number of objects in an image: the assignment to anchor points needs memory for each pair. */
const MAX_LABELS = 16_384;
/** Maximum number of findings of one file. */
const MAX_FINDINGS = 100;

/** A problem in one row. */
export interface RowFinding {
  kind: FindingKind;
  corrupt: boolean;
  /** From 1. */
  line: number;
  /** The invalid number, of kinds 'bad-class' and 'out-of-range'. */
  value?: number;
  message: string;
}

/** The contents of a label file. */
export interface ParsedLabels {
  /** [M, 5] class cx cy w h in 0..1; empty when the file is corrupt. */
  rows: Float32Array;
  /** Number of rows that were polygons. */
  polygons: number;
  /** Number of rows that were dropped because they repeat an earlier row. */
  duplicates: number;
  findings: RowFinding[];
}

/**
 * Parses the text of a label file.
 * @param nc number of classes; class numbers must be below it
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

/** The result for a file whose parsing stops early: its findings, the last of which is `why`. */
function broken(findings: RowFinding[], why: RowFinding): ParsedLabels {
  return { rows: new Float32Array(0), polygons: 0, duplicates: 0, findings: [...findings.slice(0, -1), why] };
}

function tooMany(line: number): RowFinding {
  const message = `more than ${MAX_LABELS} objects in one image`;
  return { kind: 'too-many-labels', corrupt: true, line, message };
}

type Checked = { box: number[] } | Pick<RowFinding, 'kind' | 'message' | 'value'>;

/** Class and box of a row, or its problem. */
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
  if (!Number.isInteger(id) || id < 0) return wrong('bad-class', `class ${id} is not an integer of 0 or more`, id);
  if (id >= nc) return wrong('bad-class', `class ${id}, but the dataset has ${nc} classes (0 to ${nc - 1})`, id);
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

/** @returns cx, cy, w, h of the bounding box of a polygon; `values` are the class and the points */
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
