/**
 * Escaping of untrusted text for terminals. Names of classes and files may contain control sequences that colour, move the
 * cursor, set the clipboard or the title (ECMA-48: ESC, CSI, OSC, also as single bytes 80 to 9F), line breaks that imitate
 * a message, and characters that reverse the text direction. They are shown as \u escapes.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be escaped
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** @returns the text with all control characters, including line breaks, as \u escapes; valid JSON remains valid */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}
