/** Lists the images of a split, sorted by path, and finds their label files. */
import { type Dirent, existsSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import { spellings } from '../core/written-path.js';
import { IMAGE_EXTENSIONS, isUnsupportedExtension } from '../image/codec.js';
import { kindOfFile } from '../io/files.js';

const IMAGE = new Set<string>(IMAGE_EXTENSIONS.map((extension) => `.${extension}`));

function isImage(path: string): boolean {
  return IMAGE.has(extname(path).toLowerCase());
}

/** Whether the extension is that of an image format that is not supported. */
export function isUnsupported(path: string): boolean {
  return isUnsupportedExtension(extname(path).slice(1));
}

/** The images of a split. */
export interface Listing {
  /** Absolute paths, sorted, without duplicates. */
  paths: string[];
  /** Images of unsupported formats, which are skipped. */
  unsupported: string[];
}

/**
 * Lists all images of folders (recursively), list files (one path in each line) and single files.
 * @param root folder to which lines of a list may be relative, besides the list's own folder
 * @throws UserError 'bad-data' for other sources, 'unreadable-folder'
 */
export function listImages(sources: string[], root: string): Listing {
  const paths = new Set<string>();
  const unsupported = new Set<string>();
  for (const source of sources) {
    const info = statSync(source);
    if (info.isDirectory()) {
      // Broken links are included: the scan reports them.
      for (const path of filesUnder(source, (name) => isImage(name) || isUnsupported(name), true))
        (isImage(path) ? paths : unsupported).add(path);
    } else if (!info.isFile())
      throw new UserError('bad-data', `${source} is ${kindOfFile(info)}, neither a folder nor a file`);
    else if (/\.(txt|csv)$/i.test(source)) for (const path of readList(source, root)) paths.add(path);
    else if (isImage(source)) paths.add(source);
    else throw new UserError('bad-data', `${source} is neither a folder, nor a .txt list of images, nor an image`);
  }
  return { paths: [...paths].sort(), unsupported: [...unsupported].sort() };
}

/**
 * Lists regular files under a folder, recursively. Links are followed, each folder is visited once.
 * @param wanted selects files by path
 * @param brokenLinks includes links without a target and circular links
 * @throws UserError 'unreadable-folder'
 */
export function filesUnder(folder: string, wanted: (path: string) => boolean, brokenLinks = false): string[] {
  const found: string[] = [];
  const visited = new Set<string>();
  const walk = (dir: string): void => {
    const real = realpathSync(dir);
    if (visited.has(real)) return;
    visited.add(real);
    for (const entry of listFolder(dir)) {
      if (entry.name.startsWith('._')) continue; // macOS' resource forks
      const path = join(dir, entry.name);
      const info = followed(entry, path);
      if (info?.isDirectory()) walk(path);
      else if ((info ? info.isFile() : brokenLinks) && wanted(path)) found.push(path);
    }
  };
  walk(folder);
  return found;
}

/** @returns the entries of a folder @throws UserError 'unreadable-folder' */
export function listFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const why = messageOf(error).replace(/,[^,]*$/, '');
    throw new UserError('unreadable-folder', `${folder} cannot be listed: ${why}`, 'check its permissions', 1);
  }
}

/** Type of a folder's entry, following links; undefined for a link that is broken, circular or not accessible. */
export function followed(entry: Dirent, path: string): Dirent | Stats | undefined {
  if (!entry.isSymbolicLink()) return entry;
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether the path is a regular file, following links; false when it is not accessible. */
export function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** @returns `2 files of unsupported formats skipped (heic, ppm): a.heic, b.ppm; convert them to JPEG or PNG` */
export function describeUnsupported(paths: readonly string[]): string {
  const kinds = [...new Set(paths.map((path) => extname(path).slice(1).toLowerCase()))].sort();
  const shown = paths.slice(0, 3).join(', ');
  const files = paths.length === 1 ? '1 file of an unsupported format' : `${paths.length} files of unsupported formats`;
  return `${files} skipped (${kinds.join(', ')}): ${shown}${paths.length > 3 ? ' …' : ''}; convert them to JPEG or PNG`;
}

function readList(file: string, root: string): string[] {
  const lines = readFileSync(file, 'utf8').split(/\r?\n/);
  const own = dirname(file);
  const paths: string[] = [];
  for (const raw of lines) {
    const line = raw.trim().replace(/^"(.*)"$/, '$1');
    if (!line || line.startsWith('#')) continue;
    const places = spellings(line).flatMap((path) =>
      isAbsolute(path) ? [path] : [resolve(own, path), resolve(root, path)],
    );
    const found = places.length > 1 ? places.find((place) => existsSync(place)) : undefined;
    paths.push(found ?? places[0]);
  }
  return paths;
}

/**
 * @returns path of an image's label file: the last folder named `images` is replaced by `labels`, the extension by .txt;
 *   without such a folder the label file is beside the image
 */
export function labelPath(image: string): string {
  const stem = image.slice(0, image.length - extname(image).length);
  return `${stem.replace(/^(.*[\\/])images(?=[\\/])/s, '$1labels')}.txt`;
}
