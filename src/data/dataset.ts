/**
 * Opens a split of a dataset: its images with their sizes and labels in a fixed order, and the problems that were found.
 * The user's files are only read; the label cache (label-cache.ts) is written.
 */
import { statSync } from 'node:fs';
import { loadDataYaml, splitSources } from '../cfg/data-yaml.js';
import { LABEL } from '../core/boxes.js';
import type { Split } from '../core/choices.js';
import { warnUnknownClasses } from '../core/class-range.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { progress } from '../core/progress.js';
import { prepareData } from './download.js';
import { type Finding, formatFinding } from './finding.js';
import { type CachedEntry, labelCacheFiles, readLabelCache, type Stamp, writeLabelCache } from './label-cache.js';
import { describeUnsupported, labelPath, listImages } from './listing.js';
import { type ScanEntry, type ScanItem, scan } from './scan.js';

/** An image of a dataset with its labels. */
export interface DatasetImage {
  /** Absolute path. */
  path: string;
  /** Pixels, after EXIF rotation. */
  width: number;
  height: number;
  /** [M, 5] class cx cy w h in 0..1, after EXIF rotation; length 0 for a background. */
  labels: Float32Array;
  /** Path of its label file, which may not exist. */
  labelFile: string;
  hasLabelFile: boolean;
}

/** Counts of images, label rows and objects. */
export interface DatasetCounts {
  /** Images that are used, including backgrounds. */
  images: number;
  /** Used images without objects, with or without a label file. */
  backgrounds: number;
  /** Used images without a label file; they are included in backgrounds. */
  missingLabels: number;
  /** Excluded images. */
  corrupt: number;
  /** Rows dropped because they repeat an earlier row of the file. */
  duplicateRows: number;
  /** Rows that were polygons. */
  polygons: number;
  /** Objects. */
  instances: number;
}

/** An opened split. */
export interface Dataset {
  /** Path of the YAML file. */
  file: string;
  split: Split;
  /** Class names by index; K = names.length. */
  names: string[];
  /** Sorted by path. */
  images: DatasetImage[];
  findings: Finding[];
  /** Images of unsupported formats, which are skipped. */
  unsupported: string[];
  counts: DatasetCounts;
  /** True when all entries were read from the label cache. */
  fromCache: boolean;
}

/** Options of `openDataset`. */
export interface OpenOptions {
  /** Treats all classes as one, 'item'. */
  singleCls?: boolean;
  /** Only objects of these classes are kept; images stay. */
  classes?: number[] | null;
  /** Only this fraction of the sorted images, 0..1. */
  fraction?: number;
  /** Aborts the download of a missing dataset. */
  signal?: AbortSignal;
}

/**
 * Opens a split: lists its images, scans those that are not in the label cache, applies the options.
 * @param data a value of the option `data`: a YAML file, a folder with one, a built-in name, 'shapes'
 * @throws UserError 'no-images' when the split has no usable image; as loadDataYaml and prepareData
 */
export async function openDataset(data: string, split: Split, options: OpenOptions = {}): Promise<Dataset> {
  const spec = loadDataYaml(await prepareData(data, [split], options.signal));
  warnUnknownClasses(options.classes, spec.names, spec.file);
  const sources = splitSources(spec, split);
  const { paths, unsupported } = listImages(sources, spec.root);
  if (!paths.length)
    throw new UserError(
      'no-images',
      `no images in ${sources.join(', ')} (the '${split}' split of ${spec.file})`,
      unsupported.length ? describeUnsupported(unsupported) : undefined,
    );
  const files = paths.map((path) => ({ path, labelFile: labelPath(path) }));
  const { entries, fromCache } = await scanWithCache(files, sources, { split, nc: spec.names.length });
  const images: DatasetImage[] = [];
  files.forEach(({ path, labelFile }, i) => {
    const { stamp, entry } = entries[i];
    if (entry.corrupt) return;
    const { width, height } = entry;
    const labels = chooseLabels(entry.labels, options);
    images.push({ path, width, height, labels, labelFile, hasLabelFile: stamp[2] >= 0 });
  });
  const used =
    options.fraction === undefined
      ? images
      : images.slice(0, Math.max(1, Math.round(images.length * options.fraction)));
  const findings = entries.flatMap(({ entry }) => entry.findings);
  if (!used.length)
    throw new UserError(
      'no-images',
      `none of the ${paths.length} images of the '${split}' split of ${spec.file} can be used; the first problem: ${findings[0]?.file}: ${findings[0]?.message}`,
    );
  const names = options.singleCls ? ['item'] : spec.names;
  return {
    file: spec.file,
    split,
    names,
    images: used,
    findings,
    unsupported,
    counts: count(used, entries),
    fromCache,
  };
}

async function scanWithCache(
  files: { path: string; labelFile: string }[],
  sources: string[],
  { split, nc }: { split: Split; nc: number },
): Promise<{ entries: CachedEntry[]; fromCache: boolean }> {
  const cacheFiles = labelCacheFiles(files[0].labelFile, sources);
  const cache = readLabelCache(cacheFiles, nc);
  const known = new Map<string, CachedEntry>();
  const items: ScanItem[] = [];
  const stamps: Stamp[] = [];
  for (const { path, labelFile } of files) {
    const stamp = stampOf(path, labelFile);
    const old = cache.get(path);
    if (old?.stamp.every((value, k) => value === stamp[k])) known.set(path, old);
    else {
      items.push({ path, labelFile: stamp[2] < 0 ? undefined : labelFile });
      stamps.push(stamp);
    }
  }
  const scanned = items.length
    ? await progress.track({ label: `Scanning ${split}`, unit: 'images', total: items.length }, (update) =>
        scan(items, nc, update),
      )
    : [];
  scanned.forEach((entry: ScanEntry, i) => {
    known.set(items[i].path, { stamp: stamps[i], entry });
  });
  const entries = files.map(({ path }) => known.get(path)!);
  const permanent = entries.filter(({ entry }) => !entry.transient).length;
  const changed = cache.size !== permanent || scanned.some(({ transient }) => !transient);
  if (changed) writeLabelCache(cacheFiles, nc, new Map(files.map(({ path }, i) => [path, entries[i]])));
  return { entries, fromCache: items.length === 0 };
}

function stampOf(path: string, labelFile: string): Stamp {
  return [...sizeAndTime(path), ...sizeAndTime(labelFile)];
}

/** −1, −1 for a file that does not exist; 0, −1 when it cannot be accessed: the scan then reports the reason. */
function sizeAndTime(path: string): [size: number, time: number] {
  try {
    const info = statSync(path, { throwIfNoEntry: false });
    return info ? [info.size, info.mtimeMs] : [-1, -1];
  } catch {
    return [0, -1];
  }
}

/** @returns [M, 5] rows of the selected classes; with singleCls all have class 0 */
function chooseLabels(labels: Float32Array, { singleCls, classes }: OpenOptions): Float32Array {
  if (!singleCls && !classes) return labels;
  const rows: number[] = [];
  for (let i = 0; i < labels.length; i += LABEL) {
    if (classes && !classes.includes(labels[i])) continue;
    rows.push(singleCls ? 0 : labels[i], labels[i + 1], labels[i + 2], labels[i + 3], labels[i + 4]);
  }
  return new Float32Array(rows);
}

function count(images: DatasetImage[], entries: CachedEntry[]): DatasetCounts {
  const sum = (of: (entry: ScanEntry) => number): number => entries.reduce((n, { entry }) => n + of(entry), 0);
  return {
    images: images.length,
    backgrounds: images.filter((image) => image.labels.length === 0).length,
    missingLabels: images.filter((image) => !image.hasLabelFile).length,
    corrupt: sum((entry) => (entry.corrupt ? 1 : 0)),
    duplicateRows: sum((entry) => entry.duplicates),
    polygons: sum((entry) => entry.polygons),
    instances: images.reduce((n, image) => n + image.labels.length / LABEL, 0),
  };
}

/** @returns `train: 126 images, 2 backgrounds, 0 corrupt` */
export function summarize({ split, counts, fromCache }: Dataset): string {
  const { images, backgrounds, corrupt } = counts;
  return `${split}: ${images} images, ${backgrounds} backgrounds, ${corrupt} corrupt${fromCache ? ' (from cache)' : ''}`;
}

/** Maximum number of findings that are logged; `yolo check` prints all of them. */
const FINDINGS_SHOWN = 20;

/** Logs the counts of an opened split and the first of its findings. @param data the value of the option `data` */
export function announce(dataset: Dataset, data: string = dataset.file): void {
  log.info(summarize(dataset));
  if (dataset.unsupported.length) log.warn(describeUnsupported(dataset.unsupported));
  for (const finding of dataset.findings.slice(0, FINDINGS_SHOWN)) log.warn(formatFinding(finding));
  const rest = dataset.findings.length - FINDINGS_SHOWN;
  if (rest > 0) log.warn(`… and ${rest} more; all of them: yolo check data=${data}`);
}
