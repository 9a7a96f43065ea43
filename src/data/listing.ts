/** Which images a split has, and where their labels are. The order is that of the sorted paths, always. */
import { type Dirent, existsSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { messageOf, UserError } from '../core/errors.js';
import { IMAGE_EXTENSIONS, isUnsupportedExtension } from '../image/codec.js';
import { kindOfFile } from '../io/files.js';

const IMAGE = new Set<string>(IMAGE_EXTENSIONS.map((extension) => `.${extension}`));

function isImage(path: string): boolean {
  return IMAGE.has(extname(path).toLowerCase());
}

/** Is this an image, by its name, of a format that is not supported? */
export function isUnsupported(path: string): boolean {
  return isUnsupportedExtension(extname(path).slice(1));
}

export interface Listing {
  /** Absolute, sorted; an image that is listed twice is there once. */
  paths: string[];
  /** Images of formats that are not supported: passed over, to be told. */
  unsupported: string[];
}

/**
 * All images of folders (recursively), of list files (a path a line) and single files.
 * @param root where relative lines of a list are looked for besides the list's own folder
 */
export function listImages(sources: string[], root: string): Listing {
  const paths = new Set<string>();
  const unsupported = new Set<string>();
  for (const source of sources) {
    const info = statSync(source);
    if (info.isDirectory()) {
      // An image that a link names and that is not there is told by the scan.
      for (const path of filesUnder(source, (name) => isImage(name) || isUnsupported(name), true))
        (isImage(path) ? paths : unsupported).add(path);
    } else if (!info.isFile())
      throw new UserError('bad-data', `${source} is ${kindOfFile(info)}, no folder and no file`);
    else if (/\.(txt|csv)$/i.test(source)) for (const path of readList(source, root)) paths.add(path);
    else if (isImage(source)) paths.add(source);
    else throw new UserError('bad-data', `${source} is neither a folder, nor a .txt list of images, nor an image`);
  }
  return { paths: [...paths].sort(), unsupported: [...unsupported].sort() };
}

/**
 * Plain files under a folder. Links are followed, each folder once.
 * @param brokenLinks links that lead nowhere or in a circle count as files
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

/** @throws UserError 'unreadable-folder' */
export function listFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const why = messageOf(error).replace(/,[^,]*$/, '');
    throw new UserError('unreadable-folder', `${folder} cannot be listed: ${why}`, 'check its permissions', 1);
  }
}

/** What a folder's entry is, links followed; undefined for a link that leads nowhere, in a circle, or where we may not look. */
export function followed(entry: Dirent, path: string): Dirent | Stats | undefined {
  if (!entry.isSymbolicLink()) return entry;
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether this is a plain file, links followed, as far as we may look. */
export function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // not there, a circle of links, or not ours to look at
  }
}

/** `2 files of unsupported formats skipped (heic, ppm): a.heic, b.ppm` */
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
    if (isAbsolute(line)) paths.push(line);
    else {
      const places = [resolve(own, line), resolve(root, line)];
      paths.push(places.find((place) => existsSync(place)) ?? places[0]);
    }
  }
  return paths;
}

/** The last folder called images becomes labels, the ending .txt; without such a folder the label lies beside the image. */
export function labelPath(image: string): string {
  const stem = image.slice(0, image.length - extname(image).length);
  const at = Math.max(stem.lastIndexOf('/images/'), stem.lastIndexOf('\\images\\'));
  return `${at < 0 ? stem : `${stem.slice(0, at + 1)}labels${stem.slice(at + 7)}`}.txt`;
}
