/**
 * Examines a dataset before training (`yolo check`): statistics, broken files, probable errors and what each of them
 * means. Files are only read.
 */
import { type DataSpec, loadDataYaml, splitSources } from '../cfg/data-yaml.js';
import { LABEL } from '../core/boxes.js';
import { SPLITS, type Split } from '../core/choices.js';
import { messageOf, UserError } from '../core/errors.js';
import { type Dataset, openDataset } from './dataset.js';
import { duplicateNotes } from './doctor-duplicates.js';
import { labelNotes, strayLabels } from './doctor-labels.js';
import type { DoctorNote, Level } from './doctor-note.js';
import { prepareData } from './download.js';
import { type Finding, formatFinding } from './finding.js';
import { describeUnsupported } from './listing.js';

/** Statistics of a split. */
export interface SplitReport {
  split: Split;
  images: number;
  backgrounds: number;
  missingLabels: number;
  corrupt: number;
  instances: number;
  /** Objects by class id. */
  perClass: number[];
  /** Objects by area at imgsz, with COCO's bounds: under 32² pixels, under 96², larger. */
  sizes: { small: number; medium: number; large: number };
  /** Quartiles of width and height of the images, pixels; empty without images. */
  imageSides: { width: number[]; height: number[] };
  /** Quartiles of width and height of the boxes, pixels at imgsz; empty without objects. */
  boxSides: { width: number[]; height: number[] };
}

/** Result of an examination. */
export interface DoctorReport {
  data: string;
  names: string[];
  splits: SplitReport[];
  notes: DoctorNote[];
  /** Whether a note has the level 'harm'. */
  harmful: boolean;
}

/** Options of an examination. */
export interface DoctorOptions {
  imgsz: number;
  singleCls?: boolean;
  classes?: number[] | null;
}

/** Fraction of broken images from which a note about them has the level 'harm'. */
const BROKEN_FRACTION = 0.01;
const EXAMPLES = 5;

/** Opens and examines all splits. @param data a value of the option `data` @throws UserError when the YAML cannot be read */
export async function examine(data: string, options: DoctorOptions): Promise<DoctorReport> {
  const spec = loadDataYaml(await prepareData(data, [...SPLITS]));
  const notes: DoctorNote[] = [];
  const sets: Dataset[] = [];
  for (const split of SPLITS) {
    if (!spec.splits[split]) {
      if (split !== 'test') notes.push(missingSplit(spec, split));
      continue;
    }
    const { singleCls, classes } = options;
    try {
      sets.push(await openDataset(spec.file, split, { singleCls, classes }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notes.push(unusable(split, error));
    }
  }
  const same = sameSources(spec);
  // Notes about a split are not repeated for another split with the same images.
  const distinct = sets.filter((set, i) => !sets.slice(0, i).some((other) => same(other.split, set.split)));
  for (const set of distinct) notes.push(...fileNotes(set), ...strayLabels(set));
  notes.push(...labelNotes(distinct, options.imgsz));
  notes.push(...(await duplicateNotes(sets, same)));
  return { ...reportOn(spec.file, sets, notes, options.imgsz), names: sets[0]?.names ?? spec.names };
}

/**
 * Examines splits that are open already, without reading images: no search for duplicates.
 * @param whole false when only a part of the images is open; label files without an image are then not reported
 */
export function examineOpen(sets: Dataset[], imgsz: number, whole = true): DoctorReport {
  const same = (a: Dataset, b: Dataset): boolean =>
    a.images.length === b.images.length && a.images[0]?.path === b.images[0]?.path;
  const distinct = sets.filter((set, i) => !sets.slice(0, i).some((other) => same(other, set)));
  const notes = distinct.flatMap((set) => [...fileNotes(set), ...(whole ? strayLabels(set) : [])]);
  return reportOn(sets[0].file, sets, [...notes, ...labelNotes(distinct, imgsz)], imgsz);
}

function reportOn(data: string, sets: Dataset[], notes: DoctorNote[], imgsz: number): DoctorReport {
  const rank: Record<Level, number> = { harm: 0, warning: 1, note: 2 };
  notes.sort((a, b) => rank[a.level] - rank[b.level]);
  return {
    data,
    names: sets[0]?.names ?? [],
    splits: sets.map((set) => reportOf(set, imgsz)),
    notes,
    harmful: notes.some((note) => note.level === 'harm'),
  };
}

function missingSplit(spec: DataSpec, split: Split): DoctorNote {
  return {
    level: 'harm',
    kind: 'missing-split',
    split,
    message: `there is no '${split}' split`,
    meaning:
      split === 'train'
        ? 'there is nothing to train on: add `train:` to the YAML'
        : 'training evaluates the model on separate images: reserve some and name them in `val:`',
    count: 1,
    examples: [spec.file],
  };
}

function unusable(split: Split, error: UserError): DoctorNote {
  const meaning = error.hint ?? 'the split cannot be used as it is';
  return { level: 'harm', kind: 'unusable-split', split, message: messageOf(error), meaning, count: 1, examples: [] };
}

/** Whether two splits have the same sources in the YAML, on purpose (as in coco128). */
function sameSources(spec: DataSpec): (a: Split, b: Split) => boolean {
  const key = (split: Split): string => {
    try {
      return spec.splits[split] ? JSON.stringify(splitSources(spec, split)) : split;
    } catch {
      return split;
    }
  };
  return (a, b) => key(a) === key(b);
}

const MEANINGS: Record<Finding['kind'], string> = {
  'missing-image': 'a list or a link names an image that does not exist; it is excluded',
  'broken-image': 'the file cannot be decoded as an image; it is excluded; download or export it again',
  'unreadable-image': 'the file cannot be read (permissions, disk); the image is excluded',
  'large-image': 'decoding it would take too much memory; it is excluded; scale it down or cut it into tiles',
  'small-image': 'the image is too small for training; it is excluded',
  'truncated-image': 'the end of the file is missing and decodes as grey: copy it again, or remove it with its label',
  'unreadable-label': 'the label file cannot be read; its image is excluded',
  'too-many-labels': 'the image is excluded: cut it into tiles with fewer objects each',
  'wrong-columns': 'rows must be `class cx cy w h` (or a polygon); the image is excluded',
  'not-a-number': 'rows must have numbers only; the image is excluded',
  'bad-class': 'class numbers must be 0 to the number of classes minus 1; the image is excluded',
  'out-of-range': 'coordinates must be fractions of the image, 0 to 1; the image is excluded',
  'negative-size': 'width and height must be positive; the image is excluded',
  'empty-box': 'a box must have an area above 0; the row is dropped',
  'duplicate-row': 'the row repeats an earlier row of the file; it is dropped',
};

/** The scan's findings, by kind. */
function fileNotes(set: Dataset): DoctorNote[] {
  const { split, findings, counts } = set;
  const groups = new Map<Finding['kind'], Finding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.kind);
    if (group) group.push(finding);
    else groups.set(finding.kind, [finding]);
  }
  const many = counts.corrupt >= BROKEN_FRACTION * (counts.images + counts.corrupt);
  const notes = [...groups].map(
    ([kind, list]): DoctorNote => ({
      level: list[0].severity === 'corrupt' && many ? 'harm' : 'warning',
      kind,
      split,
      message: `${list.length} x ${kind.replaceAll('-', ' ')}`,
      meaning: MEANINGS[kind],
      count: list.length,
      examples: list.slice(0, EXAMPLES).map(formatFinding),
    }),
  );
  return [...notes, ...unsupportedNote(set)];
}

function unsupportedNote({ split, unsupported }: Dataset): DoctorNote[] {
  if (!unsupported.length) return [];
  return [
    {
      level: 'warning',
      kind: 'unsupported-format',
      split,
      message: describeUnsupported(unsupported),
      meaning: 'these images are not used',
      count: unsupported.length,
      examples: unsupported.slice(0, EXAMPLES),
    },
  ];
}

function reportOf({ split, images, names, counts }: Dataset, imgsz: number): SplitReport {
  const perClass = new Array<number>(names.length).fill(0);
  const sizes = { small: 0, medium: 0, large: 0 };
  const [widths, heights]: number[][] = [[], []];
  for (const { labels, width, height } of images) {
    const scale = imgsz / Math.max(width, height);
    for (let i = 0; i < labels.length; i += LABEL) {
      perClass[labels[i]]++;
      const [w, h] = [labels[i + 3] * width * scale, labels[i + 4] * height * scale];
      sizes[w * h < 32 ** 2 ? 'small' : w * h < 96 ** 2 ? 'medium' : 'large']++;
      widths.push(w);
      heights.push(h);
    }
  }
  const { backgrounds, missingLabels, corrupt, instances } = counts;
  return {
    split,
    images: images.length,
    backgrounds,
    missingLabels,
    corrupt,
    instances,
    perClass,
    sizes,
    imageSides: { width: quartiles(images.map((i) => i.width)), height: quartiles(images.map((i) => i.height)) },
    boxSides: { width: quartiles(widths), height: quartiles(heights) },
  };
}

function quartiles(values: number[]): number[] {
  if (!values.length) return [];
  const sorted = Float64Array.from(values).sort();
  return [0.25, 0.5, 0.75].map((part) => Math.round(sorted[Math.floor(part * (sorted.length - 1))]));
}
