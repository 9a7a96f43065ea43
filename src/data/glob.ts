/** Files by pattern, as shells have them: `*`, `?`, `[abc]`, `{a,b}` within a name, `**` for folders of any depth. */
import { createRequire } from 'node:module';
import { isAbsolute } from 'node:path';

const require = createRequire(import.meta.url);

export function isGlob(text: string): boolean {
  return /[*?[{]/.test(text);
}

/** @returns files (no folders) that match, sorted; hidden ones only where the pattern's own name starts with a dot */
export function glob(pattern: string): string[] {
  // Loaded here: most sources are no pattern.
  const { globSync } = require('tinyglobby') as typeof import('tinyglobby');
  const slashed = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern;
  // Parentheses, bars and a `!` in front are parts of names here, as in `photos (1)/*.jpg`.
  const literal = slashed.replace(/[()|]|^!/g, '\\$&');
  return globSync(literal, { absolute: isAbsolute(pattern), expandDirectories: false }).sort();
}
