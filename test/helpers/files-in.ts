import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** All files of a folder and its subfolders: relative path → contents, sorted. */
export function filesIn(dir: string): Map<string, Buffer> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(dir.length + 1), readFileSync(path)]));
}
