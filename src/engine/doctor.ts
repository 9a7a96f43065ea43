/** `yolo check data=…`: the doctor's report as text or JSON, and the exit code: 1 when training would be harmed. */
import type { ConfigOf } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { textTable } from '../core/text-table.js';
import { type DoctorReport, examine } from '../data/doctor.js';
import type { DoctorNote } from '../data/doctor-note.js';
import { datasetOptions } from './options.js';

/** What the doctor found. */
export interface CheckResult {
  /** What `json=true` prints. */
  report: DoctorReport;
  /** For people, line by line. */
  lines: string[];
  exitCode: 0 | 1;
}

/** @throws UserError when there is no dataset to look at */
export async function checkDataset(config: ConfigOf<'check'>): Promise<CheckResult> {
  if (!config.data)
    throw new UserError('missing-data', 'which dataset? data= is missing', 'for example: yolo check data=my-data.yaml');
  const { imgsz } = config;
  const report = await examine(config.data, { imgsz, ...datasetOptions(config) });
  return { report, lines: describe(report, imgsz), exitCode: report.harmful ? 1 : 0 };
}

const CLASSES_SHOWN = 100;
const SIGNS: Record<DoctorNote['level'], string> = { harm: 'HARM', warning: 'WARNING', note: 'note' };

function describe(report: DoctorReport, imgsz: number): string[] {
  return [
    report.data,
    '',
    ...splitTable(report),
    '',
    ...classTable(report),
    '',
    ...sizeLines(report, imgsz),
    '',
    ...report.notes.flatMap(noteLines),
    verdict(report),
  ];
}

function splitTable({ splits }: DoctorReport): string[] {
  const head = ['split', 'images', 'objects', 'backgrounds', 'without label file', 'left out'];
  const rows = splits.map((s) =>
    [s.split, s.images, s.instances, s.backgrounds, s.missingLabels, s.corrupt].map((value) => String(value)),
  );
  return textTable([head, ...rows]);
}

function classTable({ splits, names }: DoctorReport): string[] {
  const rows = names.map((name, id) => [`${id} ${name}`, ...splits.map((s) => String(s.perClass[id]))]);
  const shown = textTable([['class', ...splits.map((s) => s.split)], ...rows.slice(0, CLASSES_SHOWN)]);
  return rows.length > CLASSES_SHOWN ? [...shown, `… and ${rows.length - CLASSES_SHOWN} more classes`] : shown;
}

function sizeLines({ splits }: DoctorReport, imgsz: number): string[] {
  return splits.map(({ split, sizes, boxSides, imageSides }) => {
    const middle = (sides: { width: number[]; height: number[] }): string =>
      `${sides.width[1] ?? '-'}x${sides.height[1] ?? '-'}`;
    const { small, medium, large } = sizes;
    return `${split}: images about ${middle(imageSides)}; boxes at imgsz=${imgsz} about ${middle(boxSides)} pixels, ${small} small (under 32²), ${medium} medium, ${large} large (over 96²)`;
  });
}

function noteLines({ level, split, message, meaning, examples, count }: DoctorNote): string[] {
  const more = count > examples.length && examples.length ? [`    … and ${count - examples.length} more`] : [];
  const head = `${SIGNS[level]}${split ? ` ${split}` : ''}: ${message}`;
  return [head, `    ${meaning}`, ...examples.map((example) => `    ${example}`), ...more];
}

function verdict({ notes, harmful }: DoctorReport): string {
  if (harmful)
    return `Training would be harmed: fix what is marked HARM first (${notes.filter((n) => n.level === 'harm').length}).`;
  const warnings = notes.filter((n) => n.level === 'warning').length;
  return warnings
    ? `Nothing stands in the way of training; ${warnings} warnings.`
    : 'Nothing stands in the way of training.';
}
