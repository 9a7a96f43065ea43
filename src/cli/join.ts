/** Joins arguments that the shell has split: `k = v`, `k= v`, `k =v`, `imgsz=[320, 640]`, `imgsz=320, 640`. */
import { UserError } from '../core/errors.js';

/** A key at the start of an argument: letters, digits, - and _. */
const KEY_AT_START = /^(?:--)?[A-Za-z_][\w-]*=/;
const KEY_ALONE = /^(?:--)?[A-Za-z_][\w-]*$/;

/**
 * @returns arguments in which every `key=value` is one
 * @throws UserError an `=` without a key before it, a bracket that is not closed
 */
export function joinArguments(tokens: readonly string[]): string[] {
  return joinLists(joinEquals(tokens));
}

/** Whether an argument is `key=…` (or `--key=…`). */
export function isAssignment(token: string): boolean {
  return KEY_AT_START.test(token);
}

function joinEquals(tokens: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const next = tokens[i + 1];
    if (token.startsWith('=')) {
      const key = out.pop();
      if (key === undefined || !KEY_ALONE.test(key))
        throw new UserError('bad-argument', `'${token}' has no key before it`);
      const value = token === '=' && next !== undefined ? tokens[++i] : token.slice(1);
      out.push(`${key}=${value}`);
    } else if (
      /^(?:--)?[A-Za-z_][\w-]*=$/.test(token) &&
      next !== undefined &&
      !isAssignment(next) &&
      !next.startsWith('--')
    ) {
      out.push(token + next);
      i++;
    } else out.push(token);
  }
  return out;
}

function joinLists(tokens: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    let token = tokens[i];
    if (isAssignment(token) || out.at(-1)?.startsWith('--')) {
      const from = token;
      while (isOpen(token)) {
        if (i + 1 >= tokens.length) throw new UserError('bad-argument', `'${from}': the bracket is not closed`);
        token += tokens[++i];
      }
      while (/^(--)?source=.*,$/.test(token) && isPlace(tokens[i + 1])) token += tokens[++i];
      while (/^([^=]*=)?[-\d.,\s]*\d,$/.test(token) && /^-?[\d.]+,?$/.test(tokens[i + 1] ?? '')) token += tokens[++i];
      if (isAssignment(token)) token = token.replace(/(?<=[^=]),$/, ''); // `model=a.pt, source=b.jpg`
    }
    out.push(token);
  }
  return out;
}

/** What may follow the comma in `source=a.jpg, b.jpg`: a file, an address, a camera. */
function isPlace(token: string | undefined): token is string {
  return token !== undefined && !isAssignment(token) && !token.startsWith('--') && /[./\\*]|^\d/.test(token);
}

/** Whether a value begins with a bracket that is not closed in it. */
function isOpen(token: string): boolean {
  const value = token.slice(isAssignment(token) ? token.indexOf('=') + 1 : 0).trim();
  if (value.startsWith('[')) return !value.includes(']');
  return value.startsWith('(') && !value.includes(')');
}
