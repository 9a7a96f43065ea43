/**
 * Paths and names as systems differ in them. Windows separates folders by backslashes or slashes; elsewhere a
 * backslash is a character of names. Windows and macOS take names that differ only in case for the same.
 */
import { win32 } from 'node:path';

/** @returns how a path may be meant on this system, the likelier first: as written, then with slashes for backslashes */
export function spellings(path: string, platform: string = process.platform): string[] {
  return platform === 'win32' || !path.includes('\\') ? [path] : [path, path.replaceAll('\\', '/')];
}

/** Characters up to which Windows opens a path without the prefix \\?\ (MAX_PATH is 260 with the end; folders have less). */
const SHORT = 247;

/** @returns the path as libraries besides Node have to get it, which prefixes long paths of Windows by itself */
export function forLibrary(path: string, platform: string = process.platform): string {
  if (platform !== 'win32') return path;
  const full = win32.resolve(path);
  return full.length > SHORT ? win32.toNamespacedPath(full) : path;
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
