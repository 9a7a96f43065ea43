/**
 * Writes Python pickles, protocol 2, of plain values: the inverse of pickle.ts. Format: CPython's Lib/pickletools.py.
 *
 * Types here → in Python: null None · boolean bool · integer int, other number float · string str · array list ·
 * PyTuple tuple · Map, plain object dict · PyGlobal class or function · PyCall result of a call · PyPersistent persistent id.
 */

/** A class or function: `module.name`. */
export class PyGlobal {
  constructor(readonly name: string) {}
}

/** Result of `callee(*args)`, on which dict `items` and the attributes of `state` are set. */
export class PyCall {
  constructor(
    readonly callee: PyGlobal,
    readonly args: readonly unknown[],
    readonly more: { items?: Iterable<readonly [unknown, unknown]>; state?: unknown } = {},
  ) {}
}

/** A tuple. */
export class PyTuple {
  constructor(readonly items: readonly unknown[]) {}
}

/** An object that is stored outside of the pickle; the reader's `persistent_load` resolves its `id`. */
export class PyPersistent {
  constructor(readonly id: unknown) {}
}

/** Maximum nesting of a value. */
const MAX_DEPTH = 100;

/** @returns the pickle @throws Error for values that cannot be pickled (functions, symbols, cyclic values) */
export function pickle(value: unknown): Buffer {
  const out: Buffer[] = [Buffer.from([0x80, 2])];
  put(out, value, 0);
  out.push(Buffer.from('.'));
  return Buffer.concat(out);
}

function put(out: Buffer[], value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`a value is nested deeper than ${MAX_DEPTH} levels`);
  const op = (letters: string): void => void out.push(Buffer.from(letters, 'latin1'));
  const all = (values: Iterable<unknown>): void => {
    for (const v of values) put(out, v, depth + 1);
  };
  const items = (pairs: Iterable<readonly [unknown, unknown]>): void => {
    op('(');
    for (const pair of pairs) all(pair);
    op('u');
  };
  if (value === null || value === undefined) op('N');
  else if (typeof value === 'boolean') op(value ? '\x88' : '\x89');
  else if (typeof value === 'number') out.push(number(value));
  else if (typeof value === 'string') out.push(text(value));
  else if (value instanceof PyGlobal) op(global(value.name));
  else if (value instanceof PyTuple) {
    op('(');
    all(value.items);
    op('t');
  } else if (value instanceof PyCall) {
    put(out, value.callee, depth);
    put(out, new PyTuple(value.args), depth);
    op('R');
    if (value.more.items) items(value.more.items);
    if (value.more.state === undefined) return;
    put(out, value.more.state, depth + 1);
    op('b');
  } else if (value instanceof PyPersistent) {
    put(out, value.id, depth);
    op('Q');
  } else if (Array.isArray(value)) {
    op('](');
    all(value);
    op('e');
  } else if (typeof value === 'object') {
    op('}');
    items(value instanceof Map ? value : Object.entries(value));
  } else throw new Error(`${typeof value} cannot be pickled`);
}

function global(name: string): string {
  const dot = name.lastIndexOf('.');
  return `c${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    bytes.write('G');
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (value >= -(2 ** 31) && value < 2 ** 31) {
    bytes.write('J');
    bytes.writeInt32LE(value, 1);
    return bytes.subarray(0, 5);
  }
  const long = Buffer.alloc(10);
  long.write('\x8a\x08', 'latin1');
  long.writeBigInt64LE(BigInt(value), 2);
  return long;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.write('X');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
