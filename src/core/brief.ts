/**
 * Values from files and command lines, abbreviated for messages. Formatting stops at the limit: a list of a million names,
 * or one that contains itself, is never formatted as a whole.
 */

/** Default number of characters of a value in a message. */
const MAX_LENGTH = 80;
/** Nesting beyond which values are abbreviated. */
const MAX_DEPTH = 4;

/** Formats a value as JSON of at most `max` characters, with an ellipsis if something was left out. */
export function brief(value: unknown, max = MAX_LENGTH): string {
  return cut(write(value, max + 1, MAX_DEPTH), max);
}

/** Shortens text to one line of at most `max` characters, with an ellipsis if it was longer. */
export function cut(text: string, max = MAX_LENGTH): string {
  const line = text.slice(0, max + 1).replace(/\s*[\r\n]\s*/g, ' ');
  if (line.length <= max && text.length <= max) return line;
  return `${line.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** JSON whose first `room` characters are right; it may end anywhere beyond them. */
function write(value: unknown, room: number, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room));
  if (typeof value !== 'object' || value === null) return String(value);
  if (depth === 0) return '…';
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  let text = open;
  for (const key in value) {
    if (text.length >= room) return text;
    if (text !== open) text += ',';
    if (!Array.isArray(value)) text += `${write(key, room, 1)}:`;
    text += write((value as Record<string, unknown>)[key], room, depth - 1);
  }
  return text + close;
}
