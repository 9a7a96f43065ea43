/**
 * Reads Python pickles, protocols 0 to 5, without Python and without executing code. Format: CPython's
 * Lib/pickletools.py, which documents every opcode.
 *
 * A pickle is a program for a stack machine, which in Python can import and call any function. Here a name is looked up in an
 * allow-list of the caller: an instance of an allowed class becomes a plain object, a call of an allowed function the result
 * of a TypeScript function; a file with any other name is refused.
 *
 * Types in Python → here: None null · bool, str, int, float unchanged (an int beyond 2^53 is a bigint) · list, tuple Array ·
 * dict Map · set Set · bytes Uint8Array · instance of a class PyObject · class or function PyName.
 */
import { UserError } from '../core/errors.js';

/** A class or function; `call` evaluates a call. Without it a call makes a PyObject. */
export class PyName {
  /** `module.name`. */
  readonly name: string;
  readonly call?: (args: unknown[]) => unknown;

  constructor(name: string, call?: (args: unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** An instance of a class that is not implemented here: name of the class, arguments of the constructor, attributes. */
export class PyObject {
  readonly className: string;
  readonly args: unknown[];
  readonly attributes = new Map<unknown, unknown>();
  /** Entries if the class extends dict, elements if it extends list or set. */
  readonly entries = new Map<unknown, unknown>();
  readonly elements: unknown[] = [];

  constructor(className: string, args: unknown[]) {
    this.className = className;
    this.args = args;
  }
}

/** A dict that may also have attributes (OrderedDict). */
export class PyDict extends Map<unknown, unknown> {
  readonly attributes = new Map<unknown, unknown>();
}

/** How to read a pickle. */
export interface PickleOptions {
  /** Name of the file, for messages. */
  where: string;
  /** Looks up a name in the allow-list; undefined if it is not allowed. */
  allow(name: string): PyName | undefined;
  /** Resolves a persistent id (in PyTorch's files a reference to a storage). */
  persistent?(id: unknown): unknown;
}

/** @returns the value @throws UserError 'unsafe-pickle' for a name that is not allowed, 'bad-pickle' for invalid data */
export function unpickle(data: Uint8Array, options: PickleOptions): unknown {
  const machine = new Machine(data, options);
  for (;;) {
    const code = machine.byte();
    if (code === STOP) return machine.pop();
    const step = STEPS.get(code);
    if (!step) machine.fail(`unknown opcode 0x${code.toString(16)}`);
    step!(machine);
  }
}

const STOP = 0x2e;
const MARK = Symbol('mark');

/** Reader, stack and memo of one pickle. */
class Machine {
  readonly options: PickleOptions;
  readonly memo = new Map<number, unknown>();
  private readonly data: Buffer;
  private stack: unknown[] = [];
  private at = 0;

  constructor(data: Uint8Array, options: PickleOptions) {
    this.data = Buffer.from(data.buffer, data.byteOffset, data.length);
    this.options = options;
  }

  fail(what: string): never {
    throw new UserError(
      'bad-pickle',
      `${this.options.where}: ${what} at byte ${this.at} of its pickle`,
      'the file is damaged: fetch it again',
    );
  }

  byte(): number {
    return this.data[this.pass(1)];
  }

  take(n: number): Buffer {
    const from = this.pass(n);
    return this.data.subarray(from, this.at);
  }

  /** Unsigned little-endian number of n bytes. */
  uint(n: number): number {
    const from = this.pass(n);
    return n === 8 ? Number(this.data.readBigUInt64LE(from)) : this.data.readUIntLE(from, n);
  }

  line(encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const end = this.data.indexOf(10, this.at);
    if (end < 0) this.fail('unexpected end');
    const text = this.data.toString(encoding, this.at, end);
    this.at = end + 1;
    return text;
  }

  text(n: number): string {
    const from = this.pass(n);
    return this.data.toString('utf8', from, this.at);
  }

  /** Goes on by n bytes. @returns where they begin */
  private pass(n: number): number {
    const from = this.at;
    if (!(n >= 0 && from + n <= this.data.length)) this.fail('unexpected end');
    this.at = from + n;
    return from;
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    if (this.stack.length === 0) this.fail('nothing on the stack');
    const value = this.stack.pop();
    if (value === MARK) this.fail('a mark instead of a value');
    return value;
  }

  /** Opcode POP, which may also remove a mark. */
  drop(): void {
    if (this.stack.length === 0) this.fail('nothing on the stack');
    this.stack.pop();
  }

  top(): unknown {
    const value = this.stack.at(-1);
    if (this.stack.length === 0 || value === MARK) this.fail('nothing on the stack');
    return value;
  }

  popList(): unknown[] {
    const value = this.pop();
    if (!Array.isArray(value)) this.fail('a tuple is expected');
    return value as unknown[];
  }

  popString(): string {
    const value = this.pop();
    if (typeof value !== 'string') this.fail('a string is expected');
    return value as string;
  }

  mark(): void {
    this.stack.push(MARK);
  }

  /** Removes and returns everything above the last mark; removes the mark. */
  sinceMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) this.fail('no mark');
    const values = this.stack.slice(mark + 1);
    this.stack.length = mark;
    return values;
  }

  remember(index: number): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index)) this.fail(`no memo ${index}`);
    this.push(this.memo.get(index));
  }

  /** Looks up a class or function in the caller's allow-list. */
  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    // A dot in the name would access attributes of another object ('utils' + 'os.system').
    const found = name.includes('.') ? undefined : this.options.allow(full);
    if (!found) throw unsafeName(this.options.where, full);
    this.push(found);
  }

  persistent(id: unknown): void {
    if (!this.options.persistent) this.fail('a persistent id');
    this.push(this.options.persistent!(id));
  }

  /** A call, of opcodes NEWOBJ, REDUCE, INST and OBJ. */
  call(callee: unknown, args: unknown[]): void {
    if (!(callee instanceof PyName)) this.fail('the callee is not a class or function');
    const name = callee as PyName;
    this.push(name.call ? name.call(args) : new PyObject(name.name, args));
  }
}

/** Error of a name that is not allowed. */
export function unsafeName(where: string, name: string): UserError {
  return new UserError(
    'unsafe-pickle',
    `${where} names the Python object '${printable(name)}', which a checkpoint of YOLO has no need of; nothing of the file was used`,
    'if you trust where it comes from, convert it to safetensors there; a file from elsewhere may be an attack',
  );
}

function printable(text: string): string {
  return [...text.slice(0, 100)].map((c) => (c < ' ' || c === '\x7f' ? '?' : c)).join('');
}

/** int of any length, little-endian two's complement. */
function bigInt(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0;
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return narrow(BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`)));
}

function narrow(value: bigint): number | bigint {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}

/** INT and LONG of protocol 0: '01' and '00' are the booleans, a trailing L is dropped. */
function decimal(m: Machine, text: string): unknown {
  if (text === '01') return true;
  if (text === '00') return false;
  const digits = text.replace(/L$/, '');
  if (!/^-?\d{1,4000}$/.test(digits)) m.fail('a whole number is expected');
  return narrow(BigInt(digits));
}

function setItems(m: Machine, target: unknown, flat: unknown[]): void {
  const map =
    target instanceof Map ? target : target instanceof PyObject ? target.entries : m.fail('a dict is expected');
  if (flat.length % 2) m.fail('a key without a value');
  for (let i = 0; i < flat.length; i += 2) map.set(flat[i], flat[i + 1]);
}

function append(m: Machine, target: unknown, values: unknown[]): void {
  const list = Array.isArray(target)
    ? target
    : target instanceof PyObject
      ? target.elements
      : m.fail('a list is expected');
  for (const v of values) list.push(v);
}

function addAll(m: Machine, target: unknown, values: unknown[]): void {
  if (target instanceof PyObject) append(m, target, values);
  else if (target instanceof Set) for (const v of values) target.add(v);
  else m.fail('a set is expected');
}

/** BUILD: sets the state of an object, a dict or (dict, dict of slots). Ignored for types without attributes here. */
function build(m: Machine): void {
  const state = m.pop();
  const target = m.top();
  if (!(target instanceof PyObject || target instanceof PyDict)) return;
  for (const part of Array.isArray(state) && state.length === 2 ? state : [state]) {
    if (part instanceof Map) for (const [k, v] of part) target.attributes.set(k, v);
    else if (part !== null) target.attributes.set('__state__', part);
  }
}

/** STRING of protocol 0: a quoted Python literal; escapes are not supported. */
function quoted(m: Machine, text: string): string {
  const match = /^(['"])([^\\]*)\1$/.exec(text);
  return match ? match[2] : m.fail('a plain string is expected');
}

/** UNICODE of protocol 0: "raw-unicode-escape". */
function unescaped(text: string): string {
  return text.replace(/\\u([0-9a-f]{4})|\\U([0-9a-f]{8})/gi, (all, short, long) => {
    const code = Number.parseInt(short ?? long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

function instance(m: Machine, values: unknown[]): void {
  m.call(values[0], values.slice(1));
}

type Step = (m: Machine) => void;

/** Action of each opcode, by its character in pickletools. */
const STEPS = new Map<number, Step>(
  Object.entries<Step>({
    // numbers, strings, bytes
    I: (m) => m.push(decimal(m, m.line())),
    L: (m) => m.push(decimal(m, m.line())),
    J: (m) => m.push(m.take(4).readInt32LE()),
    K: (m) => m.push(m.byte()),
    M: (m) => m.push(m.uint(2)),
    F: (m) => m.push(Number(m.line().replace('inf', 'Infinity'))),
    G: (m) => m.push(m.take(8).readDoubleBE()),
    '\x8a': (m) => m.push(bigInt(m.take(m.byte()))),
    '\x8b': (m) => m.push(bigInt(m.take(m.take(4).readInt32LE()))),
    N: (m) => m.push(null),
    '\x88': (m) => m.push(true),
    '\x89': (m) => m.push(false),
    S: (m) => m.push(quoted(m, m.line())),
    V: (m) => m.push(unescaped(m.line('latin1'))),
    X: (m) => m.push(m.text(m.uint(4))),
    '\x8c': (m) => m.push(m.text(m.byte())),
    '\x8d': (m) => m.push(m.text(m.uint(8))),
    // a string of Python 2, read as text
    U: (m) => m.push(m.take(m.byte()).toString('latin1')),
    T: (m) => m.push(m.take(m.uint(4)).toString('latin1')),
    B: (m) => m.push(Uint8Array.from(m.take(m.uint(4)))),
    C: (m) => m.push(Uint8Array.from(m.take(m.byte()))),
    '\x8e': (m) => m.push(Uint8Array.from(m.take(m.uint(8)))),
    '\x96': (m) => m.push(Uint8Array.from(m.take(m.uint(8)))),
    // containers
    '(': (m) => m.mark(),
    ')': (m) => m.push([]),
    ']': (m) => m.push([]),
    '}': (m) => m.push(new Map()),
    '\x8f': (m) => m.push(new Set()),
    t: (m) => m.push(m.sinceMark()),
    l: (m) => m.push(m.sinceMark()),
    '\x85': (m) => m.push([m.pop()]),
    '\x86': (m) => m.push([m.pop(), m.pop()].reverse()),
    '\x87': (m) => m.push([m.pop(), m.pop(), m.pop()].reverse()),
    d: (m) => {
      const flat = m.sinceMark();
      m.push(new Map());
      setItems(m, m.top(), flat);
    },
    s: (m) => {
      const [value, key] = [m.pop(), m.pop()];
      setItems(m, m.top(), [key, value]);
    },
    u: (m) => {
      const flat = m.sinceMark();
      setItems(m, m.top(), flat);
    },
    a: (m) => {
      const value = m.pop();
      append(m, m.top(), [value]);
    },
    e: (m) => {
      const values = m.sinceMark();
      append(m, m.top(), values);
    },
    '\x90': (m) => {
      const values = m.sinceMark();
      addAll(m, m.top(), values);
    },
    '\x91': (m) => m.push(new Set(m.sinceMark())),
    // stack and memo
    '0': (m) => m.drop(),
    '1': (m) => void m.sinceMark(),
    '2': (m) => m.push(m.top()),
    p: (m) => m.remember(Number(m.line())),
    q: (m) => m.remember(m.byte()),
    r: (m) => m.remember(m.uint(4)),
    '\x94': (m) => m.remember(m.memo.size),
    g: (m) => m.recall(Number(m.line())),
    h: (m) => m.recall(m.byte()),
    j: (m) => m.recall(m.uint(4)),
    // names, calls, state
    c: (m) => m.global(m.line(), m.line()),
    '\x93': (m) => {
      const name = m.popString();
      m.global(m.popString(), name);
    },
    R: (m) => {
      const args = m.popList();
      m.call(m.pop(), args);
    },
    '\x81': (m) => {
      const args = m.popList();
      m.call(m.pop(), args);
    },
    '\x92': (m) => {
      const [, args, callee] = [m.pop(), m.popList(), m.pop()];
      m.call(callee, args);
    },
    i: (m) => {
      m.global(m.line(), m.line());
      const callee = m.pop();
      m.call(callee, m.sinceMark());
    },
    o: (m) => instance(m, m.sinceMark()),
    b: build,
    P: (m) => m.persistent(m.line()),
    Q: (m) => m.persistent(m.pop()),
    // protocol version; frame length, which is only needed for buffered reading
    '\x80': (m) => {
      const version = m.byte();
      if (version > 5) m.fail(`pickle protocol ${version} (2 to 5 are known)`);
    },
    '\x95': (m) => void m.uint(8),
  }).map(([letter, step]) => [letter.charCodeAt(0), step]),
);
