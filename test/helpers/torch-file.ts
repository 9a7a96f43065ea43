import { makeZip, type ZipInput } from './zip-writer.js';

/** A class or function named by a pickle. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** `call(...args)`, then its state. */
export class Call {
  readonly name: string;
  readonly args: unknown[];
  readonly state?: unknown;
  constructor(name: string, args: unknown[], state?: unknown) {
    this.name = name;
    this.args = args;
    this.state = state;
  }
}

/** A tuple (arrays are lists). */
export class Tuple {
  readonly items: unknown[];
  constructor(...items: unknown[]) {
    this.items = items;
  }
}

class Storage {
  readonly key: string;
  readonly type: string;
  readonly count: number;
  constructor(key: string, type: string, count: number) {
    this.key = key;
    this.type = type;
    this.count = count;
  }
}

/** Builds files of the form that torch.save writes, from values of our own: no PyTorch needed, hostile ones possible. */
export class TorchFileWriter {
  private readonly storages: ZipInput[] = [];
  private readonly deflate: boolean;

  constructor({ deflate = false } = {}) {
    this.deflate = deflate;
  }

  /** A tensor with a storage of its own; `type` is the storage's class, `bytes` its numbers. */
  tensor(
    type: string,
    bytes: ArrayBufferView,
    shape: number[],
    { count, stride, offset = 0 }: { count?: number; stride?: number[]; offset?: number } = {},
  ): Call {
    const key = String(this.storages.length);
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.storages.push({ name: `archive/data/${key}`, data, deflate: this.deflate });
    const n = count ?? shape.reduce((a, b) => a * b, 1);
    const steps = stride ?? shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    return new Call('torch._utils._rebuild_tensor_v2', [
      new Storage(key, type, n),
      offset,
      new Tuple(...shape),
      new Tuple(...steps),
      false,
      new Call('collections.OrderedDict', []),
    ]);
  }

  floats(values: number[], shape: number[]): Call {
    return this.tensor('torch.FloatStorage', Float32Array.from(values), shape);
  }

  file(root: unknown): Buffer {
    const order: ZipInput = { name: 'archive/byteorder', data: Buffer.from('little') };
    return makeZip([{ name: 'archive/data.pkl', data: pickle(root), deflate: this.deflate }, order, ...this.storages]);
  }
}

/** A torch.nn.Module in a pickle. */
export function module(className: string, children: Record<string, unknown>, more: Record<string, unknown> = {}): Call {
  const state = {
    _parameters: {},
    _buffers: {},
    _non_persistent_buffers_set: new Call('builtins.set', [[]]),
    _modules: children,
    ...more,
  };
  return new Call(className, [], state);
}

/** Protocol 2, without memo. */
export function pickle(root: unknown): Buffer {
  const out: Buffer[] = [Buffer.from([0x80, 2])];
  put(out, root);
  out.push(Buffer.from('.'));
  return Buffer.concat(out);
}

function put(out: Buffer[], value: unknown): void {
  const op = (letter: string): void => void out.push(Buffer.from(letter, 'latin1'));
  const all = (list: unknown[]): void => list.forEach((v) => void put(out, v));
  if (value === null || value === undefined) op('N');
  else if (typeof value === 'boolean') op(value ? '\x88' : '\x89');
  else if (typeof value === 'number') putNumber(out, value);
  else if (typeof value === 'string') putText(out, value);
  else if (value instanceof Global) putGlobal(out, value.name);
  else if (value instanceof Call) {
    putGlobal(out, value.name);
    put(out, new Tuple(...value.args));
    op('R');
    if (value.state === undefined) return;
    put(out, value.state);
    op('b');
  } else if (value instanceof Storage) {
    put(out, new Tuple('storage', new Global(value.type), value.key, 'cpu', value.count));
    op('Q');
  } else if (value instanceof Tuple) {
    op('(');
    all(value.items);
    op('t');
  } else if (Array.isArray(value)) {
    op('](');
    all(value);
    op('e');
  } else {
    op('}(');
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    for (const [k, v] of entries) all([k, v]);
    op('u');
  }
}

function putGlobal(out: Buffer[], name: string): void {
  const dot = name.lastIndexOf('.');
  out.push(Buffer.from(`c${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`));
}

function putText(out: Buffer[], text: string): void {
  const bytes = Buffer.from(text);
  const head = Buffer.from('X\0\0\0\0');
  head.writeUInt32LE(bytes.length, 1);
  out.push(head, bytes);
}

function putNumber(out: Buffer[], value: number): void {
  const whole = Number.isInteger(value) && Math.abs(value) < 2 ** 31;
  const bytes = Buffer.alloc(whole ? 5 : 9);
  bytes.write(whole ? 'J' : 'G');
  if (whole) bytes.writeInt32LE(value, 1);
  else bytes.writeDoubleBE(value, 1);
  out.push(bytes);
}
