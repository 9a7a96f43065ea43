/**
 * Python literals (`{0: 'person', 'dynamic': False}`), in which the metadata of exported YOLO models stores class names and
 * settings. Nothing is evaluated.
 */

/** Value of a literal; a dict is an object, a tuple an array. */
export type Literal = string | number | boolean | null | Literal[] | { [key: string]: Literal };

/** @returns the value; keys of a dict become strings @throws SyntaxError if the text is not a literal */
export function parsePythonLiteral(text: string): Literal {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

/** @returns the value as Python's repr() writes it; keys that are integers are written without quotes */
export function toPythonLiteral(value: Literal): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(toPythonLiteral).join(', ')}]`;
  const entries = Object.entries(value).map(([k, v]) => `${/^\d+$/.test(k) ? k : quote(k)}: ${toPythonLiteral(v)}`);
  return `{${entries.join(', ')}}`;
}

function quote(text: string): string {
  // All escapes of JSON are valid in Python.
  const json = JSON.stringify(text);
  return text.includes("'") ? json : `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}

/** Maximum nesting. */
const MAX_DEPTH = 20;
const WORDS: Record<string, Literal> = { None: null, null: null, True: true, true: true, False: false, false: false };
const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '/': '/',
};

class Parser {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  value(depth: number): Literal {
    if (depth > MAX_DEPTH) throw new SyntaxError('nested too deeply');
    this.space();
    const c = this.text[this.at];
    if (c === '{') return this.dict(depth);
    if (c === '[' || c === '(') return this.list(depth, c === '[' ? ']' : ')');
    if (c === "'" || c === '"') return this.string(c);
    const word = /^[\w.+-]+/.exec(this.text.slice(this.at, this.at + 64))?.[0] ?? '';
    this.at += word.length;
    if (Object.hasOwn(WORDS, word)) return WORDS[word];
    if (word === '' || Number.isNaN(Number(word))) throw new SyntaxError(`unexpected '${word || c}' at ${this.at}`);
    return Number(word);
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw new SyntaxError(`unexpected '${this.text[this.at]}' at ${this.at}`);
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
  }

  /** Consumes this character if it is next. */
  private take(c: string): boolean {
    this.space();
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private expect(c: string): void {
    if (!this.take(c)) throw new SyntaxError(`'${c}' expected at ${this.at}`);
  }

  private dict(depth: number): Literal {
    const out: { [key: string]: Literal } = Object.create(null);
    this.at++;
    while (!this.take('}')) {
      const key = this.value(depth + 1);
      this.expect(':');
      out[String(key)] = this.value(depth + 1);
      if (!this.take(',')) {
        this.expect('}');
        break;
      }
    }
    return { ...out };
  }

  private list(depth: number, close: string): Literal {
    const out: Literal[] = [];
    this.at++;
    while (!this.take(close)) {
      out.push(this.value(depth + 1));
      if (!this.take(',')) {
        this.expect(close);
        break;
      }
    }
    return out;
  }

  private string(quoteMark: string): string {
    let out = '';
    for (this.at++; this.text[this.at] !== quoteMark; this.at++) {
      const c = this.text[this.at];
      if (c === undefined) throw new SyntaxError('a string is not terminated');
      out += c === '\\' ? this.escape() : c;
    }
    this.at++;
    return out;
  }

  private escape(): string {
    const letter = this.text[++this.at] ?? '';
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits === undefined) return ESCAPES[letter] ?? `\\${letter}`;
    const code = Number.parseInt(this.text.slice(this.at + 1, this.at + 1 + digits), 16);
    if (!(code <= 0x10ffff)) throw new SyntaxError(`a bad escape at ${this.at}`);
    this.at += digits;
    return String.fromCodePoint(code);
  }
}
