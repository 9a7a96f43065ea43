/** Glob patterns as in shells: `*`, `?`, `[abc]`, `{a,b}` within a name, `**` for folders of any depth. */
import { createRequire } from 'node:module';
import { isAbsolute } from 'node:path';

const require = createRequire(import.meta.url);

/** Whether a text contains characters of a glob pattern. */
export function isGlob(text: string): boolean {
  return /[*?[{]/.test(text);
}

/**
 * @returns matching files (no folders), sorted; hidden files only where the pattern itself has the dot. On Windows case does
 *   not matter and backslashes separate folders, too.
 */
export function glob(pattern: string, platform: string = process.platform): string[] {
  // Loaded on first use: most sources are not patterns.
  const { globSync } = require('tinyglobby') as typeof import('tinyglobby');
  const windows = platform === 'win32';
  const slashed = windows ? pattern.replaceAll('\\', '/') : pattern;
  // Parentheses, bars and a leading `!` are literal characters of names, as in `photos (1)/*.jpg`.
  const literal = slashed.replace(/[()|]|^!/g, '\\$&');
  return globSync(literal, {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    caseSensitiveMatch: !windows,
  }).sort();
}
