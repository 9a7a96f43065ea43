/**
 * Text of the command line or of a YAML file → values: none, true and false in any case, numbers (1e2 is 100), lists with
 * or without brackets, strings with or without quotes. The option table checks what a key allows.
 */
import type { Raw } from './option.js';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const WORDS: Record<string, null | boolean> = { none: null, null: null, true: true, false: false };

/** Removes the quotes of `'a'` and `"a"`; returns any other text unchanged. */
export function unquote(text: string): string {
  const quote = text[0];
  const quoted = text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote);
  return quoted ? text.slice(1, -1) : text;
}

/**
 * Converts a text to its value.
 * @throws SyntaxError when a bracket is not closed, or is opened inside of another
 */
export function convert(text: string): Raw {
  const trimmed = text.trim();
  const bare = unquote(trimmed);
  if (bare !== trimmed) return bare;
  const word = trimmed.toLowerCase();
  if (Object.hasOwn(WORDS, word)) return WORDS[word];
  if (NUMBER.test(trimmed)) return Number(trimmed);
  const open = trimmed[0];
  if (open === '[' || open === '(') {
    if (!trimmed.endsWith(open === '[' ? ']' : ')')) throw new SyntaxError(`the bracket ${open} is not closed`);
    const inside = trimmed.slice(1, -1);
    if (/[[(]/.test(inside)) throw new SyntaxError('a list inside a list');
    return items(inside);
  }
  const parts = trimmed.split(',').map((part) => part.trim());
  return parts.length > 1 && parts.every((part) => NUMBER.test(part)) ? parts.map(Number) : trimmed;
}

function items(text: string): Raw[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop();
  return parts.map(convert);
}

/** Converts a value from a YAML file or a program to what the option table reads; undefined for any other type. */
export function toRaw(value: unknown): Raw | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return convert(value);
  if (!Array.isArray(value)) return undefined;
  const list = value.map(toRaw);
  return list.some((item) => item === undefined) ? undefined : (list as Raw[]);
}

/** How a value is written in messages and in YAML flow style. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  return value === null ? 'none' : String(value);
}
