/**
 * The YAML file of a dataset: locations of its images and names of its classes (`path`, `train`, `val`, `test`, `names`,
 * `nc`, `channels`, `download`). Nothing in it is ever executed. If images are not found, the message lists all paths tried.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brief, cut } from '../core/brief.js';
import { SPLITS, type Split } from '../core/choices.js';
import { refuseLongNames } from '../core/class-names.js';
import { UserError } from '../core/errors.js';
import { escapeHint, spellings } from '../core/written-path.js';
import { readYamlObject } from './yaml.js';

export interface DataSpec {
  /** The YAML file, absolute. */
  file: string;
  /** The dataset's folder (`path`), absolute; it need not exist yet when there is a `download`. */
  root: string;
  /** Where else `root` was looked for. */
  rootsTried: string[];
  /** Folders, list files or globs as written, per split. */
  splits: Partial<Record<Split, string[]>>;
  /** Class names by index; K = names.length. */
  names: string[];
  /** Archives to download when the images are missing (http or https). */
  download: string[];
}

const BUILT_IN = fileURLToPath(new URL('../../cfg/datasets/', import.meta.url));
/** V3Det, the largest public detection set, has 13,204 classes. */
const MAX_CLASSES = 20_000;

/** Names of the dataset files that come with this project, e.g. 'coco128.yaml'. */
function builtInDatasets(): string[] {
  return existsSync(BUILT_IN) ? readdirSync(BUILT_IN).filter((name) => name.endsWith('.yaml')) : [];
}

/**
 * The YAML that `data=` means: a file, a folder that holds one, or the name of a built-in one.
 * @throws UserError with everything that was tried
 */
export function findDataYaml(data: string): string {
  const names = extname(data) ? [data] : [data, `${data}.yaml`, `${data}.yml`];
  const places = names.flatMap((name) => [resolve(name), join(BUILT_IN, basename(name))]);
  for (const place of places) {
    const found = statSync(place, { throwIfNoEntry: false });
    if (found?.isFile()) return place;
    if (found?.isDirectory()) {
      const inside = readdirSync(place).filter((name) => /\.ya?ml$/i.test(name));
      if (inside.length === 1) return join(place, inside[0]);
      const preferred = inside.find((name) => /^(data|dataset)\.ya?ml$/i.test(name));
      if (preferred) return join(place, preferred);
    }
  }
  throw new UserError(
    'missing-data',
    `no dataset '${data}' found; tried ${places.join(', ')}`,
    `give data= the path of a YAML file, or one of ${builtInDatasets().join(', ')}, or shapes`,
  );
}

/** Reads and validates the YAML file of a dataset. @throws UserError when it is missing or invalid */
export function loadDataYaml(data: string): DataSpec {
  const file = findDataYaml(data);
  const raw = readYamlObject(file, 'path, train, val and names');
  if (raw.channels !== undefined && Number(raw.channels) !== 3)
    throw new UserError(
      'bad-data',
      `${file}: channels is ${brief(raw.channels)}; only images of 3 channels are supported`,
    );
  const splits: Partial<Record<Split, string[]>> = {};
  for (const split of SPLITS) {
    const value = raw[split] ?? (split === 'val' ? (raw.validation ?? raw.minival) : undefined);
    if (value === undefined || value === null || value === '') continue;
    const list = Array.isArray(value) ? value : [value];
    if (!list.every((item): item is string => typeof item === 'string'))
      throw new UserError('bad-data', `${file}: '${split}' must be a path or a list of paths, got ${brief(value)}`);
    splits[split] = list;
  }
  if (!Object.keys(splits).length)
    throw new UserError(
      'bad-data',
      `${file} names no images: it has ${cut(Object.keys(raw).join(', '), 200) || 'no keys'}`,
      'a dataset needs at least `train:` or `val:`, a folder of images or a .txt list',
    );
  return {
    file,
    ...findRoot(file, raw.path),
    splits,
    names: classNames(file, raw),
    download: downloads(file, raw.download),
  };
}

/**
 * The folders, list files and globs of one split, absolute and present.
 * @throws UserError that lists what was tried
 */
export function splitSources(spec: DataSpec, split: Split): string[] {
  const entries = spec.splits[split];
  if (!entries)
    throw new UserError(
      'missing-split',
      `${spec.file} has no '${split}' split; it has ${Object.keys(spec.splits).join(', ')}`,
      `add '${split}: images/${split}' to it, or give split=${Object.keys(spec.splits)[0]}`,
    );
  return entries.map((entry) => {
    const bases = [spec.root, ...spec.rootsTried, dirname(spec.file), process.cwd()];
    const places = [...new Set(spellings(entry).flatMap((path) => bases.flatMap((base) => candidates(base, path))))];
    const found = places.find((place) => existsSync(place));
    if (found) return found;
    throw new UserError(
      'missing-images',
      `${spec.file}: '${split}: ${entry}' was not found; tried ${places.join(', ')}`,
      escapeHint(spec.root + entry) ??
        "set `path:` in the YAML to the dataset's folder (relative to the YAML, or absolute)",
    );
  });
}

/** Exported datasets often have `../train/images` although the folder is beside the YAML: both are tried. */
function candidates(base: string, entry: string): string[] {
  if (isAbsolute(entry)) return [entry];
  const plain = resolve(base, entry);
  return /^\.\.[\\/]/.test(entry) ? [plain, resolve(base, entry.slice(3))] : [plain];
}

/** `path` relative to the YAML's folder, then to the working folder, then `datasets/` there (where downloads go). */
function findRoot(file: string, path: unknown): { root: string; rootsTried: string[] } {
  const own = dirname(file);
  if (path === undefined || path === null || path === '') return { root: own, rootsTried: [] };
  if (typeof path !== 'string') throw new UserError('bad-data', `${file}: 'path' must be a folder, got ${brief(path)}`);
  const written = spellings(path);
  if (isAbsolute(path)) {
    return { root: written.find((place) => existsSync(place)) ?? path, rootsTried: [] };
  }
  const builtIn = resolve(own) === resolve(BUILT_IN);
  const downloads = resolve('datasets', path);
  const places = [
    ...(builtIn ? [] : written.map((one) => resolve(own, one))),
    ...written.map((one) => resolve(one)),
    downloads,
  ];
  return { root: places.find((place) => existsSync(place)) ?? (builtIn ? downloads : places[0]), rootsTried: places };
}

function classNames(file: string, raw: Record<string, unknown>): string[] {
  const { names, nc } = raw;
  if (nc !== undefined && !(Number.isInteger(nc) && Number(nc) > 0))
    throw new UserError('bad-data', `${file}: 'nc' must be a whole number of classes, got ${brief(nc)}`);
  const count = typeof names === 'object' && names !== null ? Object.keys(names).length : Number(nc ?? 0);
  if (count > MAX_CLASSES)
    throw new UserError('bad-data', `${file}: ${count} classes are more than the ${MAX_CLASSES} that are possible`);
  if (names === undefined || names === null) {
    if (nc === undefined)
      throw new UserError('bad-data', `${file} has neither 'names' nor 'nc'`, "list the classes under 'names:'");
    return Array.from({ length: Number(nc) }, (_, i) => `class${i}`);
  }
  if (typeof names !== 'object')
    throw new UserError('bad-data', `${file}: 'names' must be a list or a map, got ${brief(names)}`);
  const list = Array.isArray(names) ? names : namesFromMap(file, names as Record<string, unknown>);
  const bad = list.findIndex((name) => typeof name === 'object' && name !== null);
  if (bad >= 0)
    throw new UserError('bad-data', `${file}: the name of class ${bad} must be text, got ${brief(list[bad])}`);
  if (!list.length) throw new UserError('bad-data', `${file}: 'names' is empty`);
  if (nc !== undefined && Number(nc) !== list.length)
    throw new UserError('bad-data', `${file}: 'nc' is ${nc} but 'names' has ${list.length} classes`);
  const all = list.map(String);
  refuseLongNames(all, file, 'bad-data');
  return all;
}

function namesFromMap(file: string, names: Record<string, unknown>): unknown[] {
  const ids = Object.keys(names).map(Number);
  const there = new Set(ids);
  const gap = ids.findIndex((_, i) => !there.has(i));
  if (gap >= 0)
    throw new UserError(
      'bad-data',
      `${file}: the ids of 'names' must run from 0 to ${ids.length - 1}; ${gap} is missing, there is ${cut(Object.keys(names).join(', '), 200)}`,
    );
  return ids.map((_, i) => names[i]);
}

/** Only URLs of archives are accepted: scripts in a dataset are refused, never run. */
function downloads(file: string, value: unknown): string[] {
  if (value === undefined || value === null || value === false || value === '') return [];
  const list = Array.isArray(value) ? value : [value];
  for (const item of list) {
    if (
      typeof item === 'string' &&
      /^https?:\/\/\S+$/.test(item.trim()) &&
      /\.(zip|tar|tgz|tar\.gz)([?#]|$)/i.test(item.trim())
    )
      continue;
    throw new UserError(
      'refused-download',
      `${file}: 'download' is not the address of an archive (.zip, .tar, .tar.gz) but ${brief(item, 60)}; scripts in a dataset are never run`,
      'fetch the data by hand, put it where `path:` says, and remove the `download:` key',
    );
  }
  return list.map((item) => String(item).trim());
}
