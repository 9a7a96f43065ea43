/**
 * Reads the header of an ONNX file: metadata, inputs and outputs, operator set. The weights are skipped, so that this takes
 * milliseconds and little memory for a model of any size. Field numbers: onnx.proto.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, UserError } from '../core/errors.js';
import { bytesFields, intFields, type ProtoField, readFields, stringField } from './protobuf.js';

/** An input or output of the model. */
export interface OnnxPort {
  name: string;
  /** TensorProto.DataType: 1 float32, 10 float16 … */
  element: number;
  /** A dynamic dimension is given by its name, or ''. */
  shape: (number | string)[];
}

/** Header of a model. */
export interface OnnxHeader {
  metadata: Record<string, string>;
  inputs: OnnxPort[];
  outputs: OnnxPort[];
  opset?: number;
  producer?: string;
}

/** Bytes; larger fields are skipped. */
const MAX_FIELD = 1 << 20;
/** Numbers of the fields of ModelProto and GraphProto that are read. */
const MODEL = { producer: 2, graph: 7, opset: 8, metadata: 14 };
const GRAPH = { input: 11, output: 12 };

/** @throws UserError 'bad-onnx' if the file is not an ONNX model or is truncated, 'missing-file' if it cannot be opened */
export function readOnnxHeader(path: string): OnnxHeader {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new UserError('missing-file', `cannot open ${path}: ${messageOf(error)}`, 'check the path');
  }
  try {
    return header(new Window(fd, fstatSync(fd).size));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      'bad-onnx',
      `${path} is not an ONNX model, or is truncated (${error.message})`,
      'export it again',
    );
  } finally {
    closeSync(fd);
  }
}

function header(file: Window): OnnxHeader {
  const graphs: [number, number][] = [];
  const model: ProtoField[] = [];
  for (const field of file.fields(0, file.size)) {
    if (field.number === MODEL.graph) graphs.push([field.from, field.to]);
    else if (field.to - field.from <= MAX_FIELD) model.push(...file.whole(field));
  }
  if (graphs.length !== 1) throw new RangeError('it has no graph');
  const ports: Record<number, OnnxPort[]> = { [GRAPH.input]: [], [GRAPH.output]: [] };
  for (const field of file.fields(...graphs[0]))
    if (ports[field.number] && field.to - field.from <= MAX_FIELD)
      ports[field.number].push(portOf(file.bytes(field.from, field.to)));
  const properties = bytesFields(model, MODEL.metadata).map((data) => readFields(data));
  const sets = bytesFields(model, MODEL.opset).map((data) => readFields(data));
  return {
    metadata: Object.fromEntries(properties.map((p) => [stringField(p, 1) ?? '', stringField(p, 2) ?? ''])),
    inputs: ports[GRAPH.input],
    outputs: ports[GRAPH.output],
    opset: sets.filter((s) => !stringField(s, 1)).flatMap((s) => intFields(s, 2))[0],
    producer: stringField(model, MODEL.producer),
  };
}

/** ValueInfoProto { name, TypeProto { Tensor { elem_type, TensorShapeProto { dim { value | param } } } } } */
function portOf(data: Uint8Array): OnnxPort {
  const port = readFields(data);
  const inside = (fields: ProtoField[], field: number): ProtoField[] =>
    bytesFields(fields, field).flatMap((b) => readFields(b));
  const tensor = inside(inside(port, 2), 1);
  const dims = bytesFields(inside(tensor, 2), 1).map((b) => readFields(b));
  return {
    name: stringField(port, 1) ?? '',
    element: intFields(tensor, 1)[0] ?? 0,
    shape: dims.map((d) => intFields(d, 1)[0] ?? stringField(d, 2) ?? ''),
  };
}

/** A field of a message in the file: offset of its key, and [from, to) of its value. */
interface Span {
  number: number;
  start: number;
  from: number;
  to: number;
}

const WINDOW = 1 << 14;

/** Random access to a file through a small buffer. */
class Window {
  private start = 0;
  private data = Buffer.alloc(0);
  private readonly fd: number;
  readonly size: number;

  constructor(fd: number, size: number) {
    this.fd = fd;
    this.size = size;
  }

  bytes(from: number, to: number): Buffer {
    if (from < 0 || to > this.size) throw new RangeError(`bytes ${from} to ${to} of ${this.size}`);
    if (from < this.start || to > this.start + this.data.length) {
      const data = Buffer.alloc(Math.min(this.size - from, Math.max(WINDOW, to - from)));
      const got = readSync(this.fd, data, 0, data.length, from);
      if (got < to - from) throw new RangeError('the file was truncated while it was read');
      this.data = data.subarray(0, got);
      this.start = from;
    }
    return this.data.subarray(from - this.start, to - this.start);
  }

  /** The fields of the message at [at, end). */
  *fields(at: number, end: number): Generator<Span> {
    while (at < end) {
      const start = at;
      const key = this.varint(at);
      const number = Math.floor(key.value / 8);
      const wire = key.value % 8;
      at = key.next;
      if (number === 0) throw new RangeError(`field 0 at ${start}`);
      let from = at;
      if (wire === 0) at = this.varint(at).next;
      else if (wire === 1) at += 8;
      else if (wire === 5) at += 4;
      else if (wire === 2) {
        const length = this.varint(at);
        from = length.next;
        at = from + length.value;
      } else throw new RangeError(`wire type ${wire} at ${start}`);
      if (at > end) throw new RangeError(`a field at ${start} ends at ${at}, beyond ${end}`);
      yield { number, start, from, to: at };
    }
  }

  /** Reads the field with its key and value. */
  whole({ start, to }: Span): ProtoField[] {
    return readFields(this.bytes(start, to));
  }

  private varint(at: number): { value: number; next: number } {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes(at + i, at + i + 1)[0];
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return { value, next: at + i + 1 };
    }
    throw new RangeError(`a number of more than ten bytes at ${at}`);
  }
}
