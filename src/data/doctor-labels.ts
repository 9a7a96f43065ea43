/** Systematic errors in labels: wrong units, class numbers from 1, identical boxes, objects too small to be detected. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { LABEL, xywhToXyxy } from '../core/boxes.js';
import type { Dataset, DatasetImage } from './dataset.js';
import type { DoctorNote, NoteKind } from './doctor-note.js';
import { formatFinding } from './finding.js';
import { LIKE_PIXELS } from './labels.js';
import { filesUnder } from './listing.js';
import { repeatedRows } from './repeated-rows.js';

/** Boxes with a side shorter than this, in pixels at imgsz, are rarely detected: the smallest stride is 8. */
const TINY = 4;
/** Fraction of rows above which an error is systematic. */
const MOST = 0.9;
/** Tolerance for boxes beyond the image, as a fraction of the image. */
const BEYOND = 0.01;
const EXAMPLES = 5;

/** @param imgsz at which sizes of boxes are judged, pixels @returns notes about the labels of each split and all classes */
export function labelNotes(sets: Dataset[], imgsz: number): DoctorNote[] {
  const perSet = sets.flatMap((set) => [
    ...unitNotes(set),
    ...shapeNotes(set),
    ...sizeNotes(set, imgsz),
    ...emptyNotes(set),
  ]);
  return [...perSet, ...classNotes(sets)];
}

/** @returns a note about label files that belong to no image, if there are any */
export function strayLabels(set: Dataset): DoctorNote[] {
  const known = new Set(set.images.map((image) => image.labelFile));
  for (const { file } of set.findings) known.add(file);
  const ownImages = new Set(set.findings.map(({ file }) => basename(file).replace(/\.[^.]+$/, '')));
  const folders = new Set(
    [...known].map((file) => dirname(file)).filter((folder) => /labels/.test(folder) && existsSync(folder)),
  );
  const stray: string[] = [];
  for (const folder of folders) {
    for (const file of filesUnder(folder, (path) => path.endsWith('.txt'))) {
      if (dirname(file) !== folder || known.has(file) || ownImages.has(basename(file, '.txt'))) continue;
      if (basename(file) !== 'classes.txt' && statSync(file).size > 0) stray.push(file);
    }
  }
  if (!stray.length) return [];
  return [
    note(set, 'warning', 'label-without-image', stray.length, stray, {
      message: `${stray.length} label files without an image`,
      meaning: 'their images are missing or have another name; their objects are not used',
    }),
  ];
}

function note(
  set: Dataset | undefined,
  level: DoctorNote['level'],
  kind: NoteKind,
  count: number,
  examples: string[],
  words: { message: string; meaning: string },
): DoctorNote {
  return {
    level,
    kind,
    split: set?.split,
    count,
    examples: examples.slice(0, EXAMPLES),
    ...words,
  };
}

/** Pixels instead of fractions; corners instead of centre and size; ids from 1. */
function unitNotes(set: Dataset): DoctorNote[] {
  const notes: DoctorNote[] = [];
  const pixels = set.findings.filter((f) => f.kind === 'out-of-range' && (f.value ?? 0) > LIKE_PIXELS);
  if (pixels.length)
    notes.push(
      note(set, 'harm', 'pixel-coordinates', pixels.length, pixels.map(formatFinding), {
        message: `${pixels.length} rows seem to have coordinates in pixels`,
        meaning:
          'divide x and width by the width of the image, y and height by its height (yolo convert does this for COCO and VOC)',
      }),
    );
  const nc = set.names.length;
  const over = set.findings.filter((f) => f.kind === 'bad-class' && f.value === nc);
  if (over.length && !used(set).has(0))
    notes.push(
      note(set, 'harm', 'classes-from-one', over.length, over.map(formatFinding), {
        message: `class numbers are 1 to ${nc}, none is 0`,
        meaning: 'class numbers start at 0: subtract 1 from each, otherwise every object has the wrong class',
      }),
    );
  const rows = rowsOf(set);
  const asCorners = rows.filter(([, cx, cy, w, h]) => w > cx && h > cy).length;
  const outside = rows.filter((row) => reach(row) > 0.02).length;
  if (rows.length >= 10 && asCorners > MOST * rows.length && outside > 0.3 * rows.length)
    notes.push(
      note(set, 'harm', 'corner-coordinates', asCorners, [], {
        message: `${asCorners} of ${rows.length} rows look like x1 y1 x2 y2`,
        meaning: 'rows must be centre x, centre y, width, height: convert them',
      }),
    );
  return notes;
}

/** Identical boxes, boxes of the size of the image, boxes beyond the image, objects that are labelled twice. */
function shapeNotes(set: Dataset): DoctorNote[] {
  const notes: DoctorNote[] = [];
  const rows = rowsOf(set);
  const kinds = new Set(rows.map(([, ...box]) => box.map((value) => value.toFixed(4)).join(' ')));
  const whole = rows.filter(([, , , w, h]) => w > 0.98 && h > 0.98).length;
  if (rows.length >= 10 && kinds.size === 1)
    notes.push(
      note(set, 'harm', 'identical-boxes', rows.length, [[...kinds][0]], {
        message: `all ${rows.length} boxes are the same`,
        meaning:
          'the labels were probably made by a faulty conversion; a detector would learn this position, not the objects',
      }),
    );
  else if (rows.length >= 10 && whole > MOST * rows.length)
    notes.push(
      note(set, 'warning', 'whole-image-boxes', whole, [], {
        message: `${whole} of ${rows.length} boxes cover the whole image`,
        meaning: 'these seem to be classification labels; a detector needs boxes around objects',
      }),
    );
  const beyond = where(set, (row) => reach(row) > BEYOND);
  if (beyond.length)
    notes.push(
      note(set, 'warning', 'beyond-image', beyond.length, beyond, {
        message: `${beyond.length} boxes extend beyond their image`,
        meaning:
          'they are clipped; if there are many, centre and size were probably exchanged, or the images were cropped later',
      }),
    );
  const twice = set.images.flatMap(({ labels, labelFile }) =>
    repeatedRows(labels).map(([a, b]) => `${labelFile}: rows ${a + 1} and ${b + 1}`),
  );
  if (twice.length)
    notes.push(
      note(set, 'warning', 'labelled-twice', twice.length, twice, {
        message: `${twice.length} objects seem to be labelled twice`,
        meaning:
          'two boxes of one class coincide (IoU over 0.95); non-maximum suppression keeps one, the other counts as a false negative',
      }),
    );
  return notes;
}

function sizeNotes(set: Dataset, imgsz: number): DoctorNote[] {
  const scale = ({ width, height }: DatasetImage): number => imgsz / Math.max(width, height);
  const tiny = where(set, ([, , , w, h], image) => {
    const s = scale(image);
    return Math.min(w * image.width, h * image.height) * s < TINY;
  });
  if (!tiny.length) return [];
  const part = tiny.length / Math.max(set.counts.instances, 1);
  return [
    note(set, part > 0.05 ? 'warning' : 'note', 'tiny-boxes', tiny.length, tiny, {
      message: `${tiny.length} boxes are under ${TINY} pixels at imgsz=${imgsz} (${(100 * part).toFixed(1)} %)`,
      meaning: 'they are too small to be detected reliably: increase imgsz or cut the images into tiles',
    }),
  ];
}

function emptyNotes(set: Dataset): DoctorNote[] {
  const { images, missingLabels, instances, backgrounds } = set.counts;
  if (!instances)
    return [
      note(set, 'harm', 'no-labels', images, [set.images[0].labelFile], {
        message: `none of the ${images} images has a label`,
        meaning: 'the example is the expected path of a label file: /images/ becomes /labels/, the extension .txt',
      }),
    ];
  if (!missingLabels) return [];
  const many = missingLabels > 0.5 * images;
  const without = set.images.filter((image) => !image.hasLabelFile).map((image) => image.path);
  return [
    note(set, many ? 'warning' : 'note', 'image-without-label', missingLabels, without, {
      message: `${missingLabels} images without a label file (${backgrounds} without any object)`,
      meaning: 'they are used as background, images without objects; label them if they have objects',
    }),
  ];
}

function classNotes(sets: Dataset[]): DoctorNote[] {
  const train = sets.find((set) => set.split === 'train');
  if (!train?.counts.instances) return [];
  const notes: DoctorNote[] = [];
  const { names } = train;
  const inTrain = used(train);
  for (const set of sets) {
    const unlearnt = [...used(set)].filter((id) => !inTrain.has(id)).map((id) => names[id]);
    if (set !== train && unlearnt.length)
      notes.push(
        note(set, 'harm', 'class-not-trained', unlearnt.length, unlearnt, {
          message: `${unlearnt.length} classes occur in ${set.split} but never in train`,
          meaning: 'they cannot be learned and lower the mean AP: move some of their images to train',
        }),
      );
  }
  const never = names.filter((_, id) => !inTrain.has(id));
  const ids = [...inTrain];
  if (never.length === 1 && !inTrain.has(0) && names.length > 2 && ids.length === names.length - 1)
    notes.push(
      note(train, 'warning', 'class-zero-unused', 1, [names[0]], {
        message: `class 0 ('${names[0]}') has no object, all other classes have`,
        meaning: 'class numbers start at 0; if they were numbered from 1, every object has the wrong class',
      }),
    );
  else if (never.length)
    notes.push(
      note(train, 'note', 'class-without-objects', never.length, never, {
        message: `${never.length} of ${names.length} classes have no object in train`,
        meaning: 'they are never predicted; remove them from names if no objects of them are to be added',
      }),
    );
  return notes;
}

type Row = [id: number, cx: number, cy: number, w: number, h: number];

function rowsOf(set: Dataset): Row[] {
  return set.images.flatMap(({ labels }) => {
    const rows: Row[] = [];
    for (let i = 0; i < labels.length; i += LABEL) rows.push([...labels.subarray(i, i + LABEL)] as Row);
    return rows;
  });
}

function used(set: Dataset): Set<number> {
  return new Set(rowsOf(set).map(([id]) => id));
}

/** @returns `file: row` of each row for which `holds` returns true */
function where(set: Dataset, holds: (row: Row, image: DatasetImage) => boolean): string[] {
  return set.images.flatMap((image) => {
    const { labels, labelFile } = image;
    const found: string[] = [];
    for (let i = 0; i < labels.length; i += LABEL) {
      const row = [...labels.subarray(i, i + LABEL)] as Row;
      if (holds(row, image)) found.push(`${labelFile}: ${row.map((value) => Number(value.toFixed(5))).join(' ')}`);
    }
    return found;
  });
}

/** How far a box extends beyond the image, as a fraction of it. */
function reach(row: Row): number {
  const [x1, y1, x2, y2] = xywhToXyxy(row, 1);
  return Math.max(-x1, x2 - 1, -y1, y2 - 1);
}
