/** Which pictures a split has, and where their labels are. The order is that of the sorted paths, always. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../core/errors.js';
import { IMAGE_EXTENSIONS } from '../io/image.js';

const PICTURE = new Set<string>(IMAGE_EXTENSIONS.map((extension) => `.${extension}`));

export function isPicture(path: string): boolean {
  return PICTURE.has(extname(path).toLowerCase());
}

/**
 * All pictures of folders (recursively), of list files (a path a line) and single files.
 * @param root where relative lines of a list are looked for besides the list's own folder
 * @returns absolute paths, sorted; a picture that is listed twice is there once
 */
export function listPictures(sources: string[], root: string): string[] {
  const paths = new Set<string>();
  for (const source of sources) {
    if (statSync(source).isDirectory()) for (const path of filesUnder(source)) paths.add(path);
    else if (/\.(txt|csv)$/i.test(source)) for (const path of readList(source, root)) paths.add(path);
    else if (isPicture(source)) paths.add(source);
    else throw new UserError('bad-data', `${source} is neither a folder, nor a .txt list of pictures, nor a picture`);
  }
  return [...paths].sort();
}

/** Pictures under a folder; links to folders are followed once each. */
export function filesUnder(folder: string, wanted: (path: string) => boolean = isPicture): string[] {
  const found: string[] = [];
  const visited = new Set<string>();
  const walk = (dir: string): void => {
    const real = realpathSync(dir);
    if (visited.has(real)) return;
    visited.add(real);
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.name.startsWith('._')) continue; // macOS' resource forks
      const path = join(dir, entry.name);
      const followed = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
      if (followed?.isDirectory()) walk(path);
      else if (followed?.isFile() && wanted(path)) found.push(path);
    }
  };
  walk(folder);
  return found;
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

/** The last folder called images becomes labels, the ending .txt; without such a folder the label lies beside the picture. */
export function labelPath(picture: string): string {
  const stem = picture.slice(0, picture.length - extname(picture).length);
  const at = Math.max(stem.lastIndexOf('/images/'), stem.lastIndexOf('\\images\\'));
  return `${at < 0 ? stem : `${stem.slice(0, at + 1)}labels${stem.slice(at + 7)}`}.txt`;
}
