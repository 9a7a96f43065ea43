/**
 * Text for a terminal. Names of classes and files come from others and may hold anything: sequences that colour, move the
 * cursor, set the clipboard or the title (ECMA-48: ESC, CSI, OSC, also as single bytes 80 to 9F), line breaks that forge a
 * message, marks that turn the direction of writing around. They are shown as escapes instead.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** One line of text without anything that a terminal acts on; what JSON strings hold stays JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}
