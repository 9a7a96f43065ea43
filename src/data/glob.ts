/** Files by pattern: `*`, `?`, `[abc]`, `{a,b}` within a name, `**` for folders of any depth. */
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { followed, isFile } from './listing.js';

export function isGlob(text: string): boolean {
  return /[*?[{]/.test(text);
}

/** @returns files (no folders) that match, sorted; hidden ones only where the pattern's own name starts with a dot */
export function glob(pattern: string): string[] {
  const parts = (process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern).split('/');
  const absolute = parts[0] === '';
  const found = new Set<string>();
  walk(absolute ? '/' : '', absolute ? parts.slice(1) : parts, found);
  return [...found].sort();
}

function walk(folder: string, parts: readonly string[], found: Set<string>): void {
  const [head, ...rest] = parts;
  const here = (name: string): string => (folder ? join(folder, name) : name);
  if (head === undefined) return;
  if (head === '' && rest.length) {
    walk(folder, rest, found);
    return;
  }
  if (head === '**') {
    walk(folder, rest.length ? rest : ['*'], found);
    for (const entry of list(folder)) {
      if (entry.isDirectory() && !entry.name.startsWith('.')) walk(here(entry.name), parts, found);
    }
    return;
  }
  if (!isGlob(head)) {
    if (rest.length) walk(here(head), rest, found);
    else if (isFile(here(head))) found.add(here(head));
    return;
  }
  const matches = nameMatcher(head);
  for (const entry of list(folder)) {
    if (!matches(entry.name)) continue;
    const path = here(entry.name);
    const info = followed(entry, path);
    if (rest.length ? info?.isDirectory() : info?.isFile()) {
      if (rest.length) walk(path, rest, found);
      else found.add(path);
    }
  }
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder || '.', { withFileTypes: true });
  } catch {
    return []; // not a folder, or not ours to read: nothing matches there
  }
}

function nameMatcher(pattern: string): (name: string) => boolean {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    const close = char === '[' ? pattern.indexOf(']', i + 2) : char === '{' ? pattern.indexOf('}', i) : -1;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[' && close > 0) {
      const set = pattern.slice(i + 1, close).replace(/[\\\]]/g, '\\$&');
      source += `[${set.startsWith('!') ? `^${set.slice(1)}` : set}]`;
      i = close;
    } else if (char === '{' && close > 0) {
      const words = pattern.slice(i + 1, close).split(',');
      source += `(?:${words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`;
      i = close;
    } else source += char.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  }
  const whole = new RegExp(`^${source}$`, 'u');
  const hidden = pattern.startsWith('.');
  return (name) => (hidden || !name.startsWith('.')) && whole.test(name);
}
