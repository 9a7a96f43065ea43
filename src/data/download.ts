/**
 * Provides a dataset before it is opened: downloads its archive when images are missing, or generates data=shapes. An
 * archive is unpacked in a hidden folder, verified and moved into place with a rename, so that other processes see a
 * complete dataset or none. Scripts in an archive are never executed.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { type DataSpec, loadDataYaml, splitSources } from '../cfg/data-yaml.js';
import type { Split } from '../core/choices.js';
import { Interrupted, UserError } from '../core/errors.js';
import { withLockFile } from '../core/lock-file.js';
import { log } from '../core/log.js';
import { progress } from '../core/progress.js';
import { download } from '../io/fetch.js';
import { orCannotWrite } from '../io/files.js';
import { unpack } from '../io/unpack.js';
import { isShapes, makeShapes } from './shapes.js';

/**
 * @returns the YAML to read: `data` itself, or that of the generated dataset for data=shapes
 * @throws Interrupted when `signal` is aborted during the download
 * @throws UserError when the download fails, the archive is damaged or too large, or files cannot be written;
 *   'bad-archive' when the archive does not have the wanted splits
 */
export async function prepareData(data: string, splits: readonly Split[], signal?: AbortSignal): Promise<string> {
  if (isShapes(data)) return makeShapes(data);
  const spec = loadDataYaml(data);
  if (!spec.download.length || !isUnfinished(spec, splits)) return data;
  try {
    await fetchDataset(spec, splits, signal);
    return data;
  } catch (error) {
    throw signal?.aborted ? new Interrupted() : error;
  }
}

/** Paths for a download; on the file system of the dataset, so that it can be renamed into place. */
interface Staging {
  folder: string;
  lock: string;
  /** Complete and verified dataset that remains to be moved. */
  ready: string;
}

function stagingOf(root: string): Staging {
  const folder = existsSync(root) ? join(root, '.yolo-download') : join(dirname(root), `.${basename(root)}.download`);
  return { folder, lock: `${folder}.lock`, ready: join(folder, 'ready') };
}

function isUnfinished(spec: DataSpec, splits: readonly Split[]): boolean {
  return existsSync(stagingOf(spec.root).ready) || missingSplits(spec, splits).length > 0;
}

function missingSplits(spec: DataSpec, splits: readonly Split[]): Split[] {
  return splits.filter((split) => spec.splits[split] && !hasSplit(spec, split));
}

function hasSplit(spec: DataSpec, split: Split): boolean {
  try {
    splitSources(spec, split);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.code === 'missing-images') return false;
    throw error;
  }
}

async function fetchDataset(spec: DataSpec, splits: readonly Split[], signal?: AbortSignal): Promise<void> {
  const { root } = spec;
  const { folder, lock } = stagingOf(root);
  orCannotWrite(folder, () => mkdirSync(folder, { recursive: true }));
  const onWait = (): void => log.info(`another process is downloading ${root}: waiting for it`);
  await withLockFile(
    lock,
    async () => {
      const { ready } = stagingOf(root); // depends on whether the root exists; another process may have created it
      if (existsSync(ready)) moveInto(ready, root);
      const missing = missingSplits(spec, splits);
      if (missing.length) place(await fetchArchives(spec, folder, missing, signal), root);
      for (const left of [folder, dirname(ready)]) rmSync(left, { recursive: true, force: true });
    },
    { onWait, signal, clean: () => removePartial(folder) },
  );
}

/** Removes partially unpacked files; archives are complete and are kept for another try. */
function removePartial(folder: string): void {
  rmSync(join(folder, 'unpacked'), { recursive: true, force: true });
  if (existsSync(folder) && !readdirSync(folder).length) rmdirSync(folder);
}

/** Downloads and unpacks all archives. @returns the folder that has the dataset */
async function fetchArchives(spec: DataSpec, folder: string, missing: Split[], signal?: AbortSignal): Promise<string> {
  const unpacked = join(folder, 'unpacked');
  try {
    for (const url of spec.download) await fetchArchive(url, spec.root, { folder, unpacked, signal });
    return datasetIn(unpacked, spec, missing);
  } catch (error) {
    const wrong = error instanceof UserError && ['bad-archive', 'bad-zip'].includes(error.code);
    if (wrong) rmSync(folder, { recursive: true, force: true }); // another try must download the archive again
    throw error;
  }
}

async function fetchArchive(
  url: string,
  root: string,
  { folder, unpacked, signal }: { folder: string; unpacked: string; signal?: AbortSignal },
): Promise<void> {
  const name = url.split(/[?#]/)[0].split('/').pop() || 'dataset.zip';
  const archive = join(folder, `${createHash('sha256').update(url).digest('hex').slice(0, 8)}-${name.slice(-100)}`);
  if (!existsSync(archive)) {
    log.info(`${root} does not exist: downloading ${url}`);
    await progress.track({ label: `Downloading ${name}`, unit: 'bytes' }, (update) =>
      download(url, archive, { maxBytes: 64 * 2 ** 30, signal, onProgress: update }),
    );
  }
  try {
    await progress.track({ label: `Unpacking ${name}`, unit: 'bytes' }, (update) =>
      unpack(archive, unpacked, { signal, onProgress: update }),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = error.message.replace(archive, `the archive ${url}`);
    const kept = error.code === 'archive-too-large' ? `; the archive is kept: ${archive}` : '';
    throw new UserError(error.code, message, error.hint && `${error.hint}${kept}`, error.exitCode);
  }
}

/**
 * The unpacked folder that has the wanted splits: the folder with the dataset's name, the only folder, or the top level.
 * @throws UserError 'bad-archive' when none has
 */
function datasetIn(unpacked: string, spec: DataSpec, missing: Split[]): string {
  const names = readdirSync(unpacked).filter((name) => !name.startsWith('.') && name !== '__MACOSX');
  const folders = names.filter((name) => statSync(join(unpacked, name)).isDirectory());
  const named = folders.filter((name) => name === basename(spec.root));
  const only = folders.length === 1 ? folders : [];
  const candidates = [...[...named, ...only].map((name) => join(unpacked, name)), unpacked];
  const found = candidates.find((folder) => missing.every((split) => hasSplit(placedAt(folder, spec), split)));
  if (found) return found;
  const wanted = missing.map((split) => `${split}: ${spec.splits[split]?.join(', ')}`).join('; ');
  throw new UserError(
    'bad-archive',
    `${spec.download.join(', ')}: contains ${names.slice(0, 8).join(', ') || 'nothing'}, not what ${spec.file} names (${wanted}); nothing was kept`,
    'correct the paths in the YAML, or unpack the archive by hand in the folder that `path:` names',
    1,
  );
}

/** The description of the dataset with another folder as root. */
function placedAt(folder: string, spec: DataSpec): DataSpec {
  const move = (entry: string): string =>
    isAbsolute(entry) && entry.startsWith(spec.root + sep) ? relative(spec.root, entry) : entry;
  const splits = Object.entries(spec.splits).map(([split, entries]) => [split, entries.map(move)]);
  return { ...spec, root: folder, rootsTried: [], splits: Object.fromEntries(splits) };
}

/** Renames the dataset to `root`; where that exists, moves what is missing into it, which a later process can complete. */
function place(dataset: string, root: string): void {
  if (!existsSync(root)) {
    orCannotWrite(root, () => renameSync(dataset, root));
    return;
  }
  const { folder, ready } = stagingOf(root);
  orCannotWrite(root, () => {
    mkdirSync(folder, { recursive: true });
    renameSync(dataset, ready);
  });
  moveInto(ready, root);
}

/** Moves the contents of a folder into another one; existing files are kept. */
function moveInto(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const there = lstatSync(target, { throwIfNoEntry: false });
    if (!there) orCannotWrite(target, () => renameSync(source, target));
    else if (lstatSync(source).isDirectory() && statSync(target, { throwIfNoEntry: false })?.isDirectory())
      moveInto(source, target);
    else if (there.isSymbolicLink() && !existsSync(target))
      throw new UserError('cannot-write', `${target} is a link to a file that does not exist`, 'remove it', 1);
  }
  rmSync(from, { recursive: true, force: true });
}
