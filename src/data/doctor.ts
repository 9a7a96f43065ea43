/**
 * Looks a dataset over before hours of training are spent on it: what is in it, what is broken, what is probably a
 * mistake, and what each of these means. Only reads.
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

export interface SplitReport {
  split: Split;
  images: number;
  backgrounds: number;
  missingLabels: number;
  corrupt: number;
  instances: number;
  /** Objects by class id. */
  perClass: number[];
  /** Objects by size at imgsz, COCO's bounds: under 32² pixels, under 96², larger. */
  sizes: { small: number; medium: number; large: number };
  /** Width and height of images and of boxes (at imgsz), the quarter, half and three-quarter marks. */
  imageSides: { width: number[]; height: number[] };
  boxSides: { width: number[]; height: number[] };
}

export interface DoctorReport {
  data: string;
  names: string[];
  splits: SplitReport[];
  notes: DoctorNote[];
  /** Training would be harmed. */
  harmful: boolean;
}

export interface DoctorOptions {
  imgsz: number;
  singleCls?: boolean;
  classes?: number[] | null;
}

/** From this part of broken images on they are harm, not a blemish. */
const BROKEN_PART = 0.01;
const EXAMPLES = 5;

/** @throws UserError when the YAML can't be read or no split can be opened */
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
  // What is said of a split need not be said again of one with the very same images.
  const distinct = sets.filter((set, i) => !sets.slice(0, i).some((other) => same(other.split, set.split)));
  for (const set of distinct) notes.push(...fileNotes(set), ...strayLabels(set));
  notes.push(...labelNotes(distinct, options.imgsz));
  notes.push(...(await duplicateNotes(sets, same)));
  return { ...reportOn(spec.file, sets, notes, options.imgsz), names: sets[0]?.names ?? spec.names };
}

/**
 * What open splits show by themselves, without reading an image: everything but twins and splits that cannot be opened.
 * @param whole false: only a part of the images is open, so that other label files are not stray
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
        : 'training needs images to measure itself by: set some aside and name them as `val:`',
    count: 1,
    examples: [spec.file],
  };
}

function unusable(split: Split, error: UserError): DoctorNote {
  const meaning = error.hint ?? 'the split cannot be used as it is';
  return { level: 'harm', kind: 'unusable-split', split, message: messageOf(error), meaning, count: 1, examples: [] };
}

/** Which splits name the very same images, on purpose (as coco128 does). */
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
  'missing-image': 'a list or a link names an image that is not there: it is left out',
  'broken-image': 'the file cannot be read as an image: it is left out; fetch or export it again',
  'unreadable-image': 'the system does not let the file be read: it is left out until it can be',
  'large-image': 'decoding it would take too much memory: it is left out; scale it down or cut it into parts',
  'small-image': 'too small to learn from: it is left out',
  'truncated-image': 'the end of the file is missing and decodes as grey: copy it again, or remove it with its label',
  'unreadable-label': 'the label file cannot be read: its image is left out until it can be',
  'too-many-labels': 'the image is left out: cut it into tiles with fewer objects each',
  'wrong-columns': 'rows must be `class cx cy w h` (or a polygon); the image is left out',
  'not-a-number': 'rows must be numbers only; the image is left out',
  'bad-class': 'class numbers run from 0 to the number of classes less 1; the image is left out',
  'out-of-range': 'coordinates must be parts of the image, 0 to 1; the image is left out',
  'negative-size': 'width and height must be positive; the image is left out',
  'empty-box': 'a box without area cannot be learnt; the row is dropped',
  'duplicate-row': 'the row stands there twice; the second is dropped',
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
  const many = counts.corrupt >= BROKEN_PART * (counts.images + counts.corrupt);
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
      meaning: 'these images are not used, as if they were not there',
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
    imageSides: { width: quarters(images.map((i) => i.width)), height: quarters(images.map((i) => i.height)) },
    boxSides: { width: quarters(widths), height: quarters(heights) },
  };
}

function quarters(values: number[]): number[] {
  if (!values.length) return [];
  const sorted = Float64Array.from(values).sort();
  return [0.25, 0.5, 0.75].map((part) => Math.round(sorted[Math.floor(part * (sorted.length - 1))]));
}
