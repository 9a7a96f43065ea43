/** HTML templates that escape all values, such as names of classes and files, except HTML created by a template. */

/** Safe HTML. */
export class Html {
  constructor(readonly text: string) {}
}

/** Value in a template. */
export type Piece = Html | string | number | undefined | false | readonly Piece[];

/** Template tag: strings and numbers are escaped, Html is inserted unchanged, undefined and false are omitted. */
export function html(strings: TemplateStringsArray, ...values: Piece[]): Html {
  return new Html(strings.map((part, i) => part + (i < values.length ? textOf(values[i]) : '')).join(''));
}

/** Marks text as safe HTML: the script and the styles of this package. */
export function trusted(text: string): Html {
  return new Html(text);
}

/**
 * Data for the page's script as a JSON block. Characters of `</script>` and `<!--`, which would end the block, and the line
 * separators U+2028 and U+2029 are escaped.
 */
export function jsonBlock(id: string, value: unknown): Html {
  const text = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return new Html(`<script type="application/json" id="${id}">${text}</script>`);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function textOf(value: Piece): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return value.map(textOf).join('');
}
