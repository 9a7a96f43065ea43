/**
 * HTML that cannot be broken by what users name their classes and files: every value put into `html` is escaped unless it
 * is HTML made by `html` itself.
 */

/** A piece of HTML that is safe to put into a page. */
export class Html {
  constructor(readonly text: string) {}
}

export type Piece = Html | string | number | undefined | false | readonly Piece[];

/** Template tag: values are escaped, pieces of HTML and lists of them are put in as they are, undefined and false vanish. */
export function html(strings: TemplateStringsArray, ...values: Piece[]): Html {
  return new Html(strings.map((part, i) => part + (i < values.length ? textOf(values[i]) : '')).join(''));
}

/** What is no HTML yet but safe: the script and the styles of this package. */
export function trusted(text: string): Html {
  return new Html(text);
}

/**
 * Data for the page's script. Neither `</script>` nor `<!--` in a class name can end the block, and the two separators
 * that JSON allows and JavaScript once did not are written as escapes.
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
