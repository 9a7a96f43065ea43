/**
 * Paths and names in files that came from another system. Windows separates folders by backslashes or slashes; elsewhere a
 * backslash is a character of names. Windows and macOS take names that differ only in case for the same.
 */

/** @returns how a path may be meant on this system, the likelier first: as written, then with slashes for backslashes */
export function spellings(path: string, platform: string = process.platform): string[] {
  return platform === 'win32' || !path.includes('\\') ? [path] : [path, path.replaceAll('\\', '/')];
}

/** What two names have in common that are one file on this system: case and Unicode's normal form on Windows and macOS. */
export function fileIdentity(name: string, platform: string = process.platform): string {
  return platform === 'win32' || platform === 'darwin' ? name.normalize('NFC').toLowerCase() : name;
}

/**
 * @returns what to do about a path of a YAML file with control characters, such as "C:\new"; undefined for other paths
 */
export function escapeHint(path: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what an escape sequence left
  return /[\u0000-\u001f]/.test(path) ? ESCAPE_HINT : undefined;
}

export const ESCAPE_HINT =
  'in double quotes a backslash begins an escape sequence: use slashes (C:/data), single quotes or no quotes';
