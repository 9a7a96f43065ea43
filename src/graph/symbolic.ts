/**
 * A tfjs backend for tracing: its tensors have a shape, an element type and a node, but no values; its kernels infer the
 * result's shape and add a TensorFlow node to the graph being traced. tfjs' gradient tape works on top of it. Tensors of
 * other backends become constants (they are read and not moved: the engine's moveData would remove them from their
 * backend); variables become inputs.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Attrs,
  type AttrValue,
  type ElementType,
  elementType,
  type GraphNode,
  type Literal,
  type Values,
} from './graph.js';
import { type Emitter, type OutputSpec, SYMBOLIC } from './raw.js';

/** Data of a symbolic tensor. */
export interface Entry {
  /** Output of a node; for constants created on first use, so that unused ones need no node. */
  ref?: string;
  shape: number[];
  type: ElementType;
  /** Values that are known while tracing. */
  literal?: Literal;
}

/** State of a trace. */
export interface Recording {
  nodes: GraphNode[];
  half: boolean;
  /** Element type of tfjs' int32 tensors inside the graph. */
  integers: 'int32' | 'int64';
  /** Variables are read as constants instead of becoming inputs. */
  freeze: boolean;
  variables: Map<tf.Variable, { entry: Entry; node: string }>;
  /** Shapes of all outputs of nodes. */
  shapes: Map<string, number[]>;
}

/** Larger constants with one repeated value are computed by a Fill node and not stored. */
const MAX_STORED = 1024;
/** Equal constants of up to this number of values are stored once. */
const MAX_COMPARED = 64;

/** Outputs of a graph are cast to element types of tfjs. */
const OUTSIDE: Partial<Record<ElementType, ElementType>> = { bfloat16: 'float32', int64: 'int32' };

/** The backend. */
export class SymbolicBackend extends tf.KernelBackend implements Emitter {
  private entries = new WeakMap<object, Entry>();
  private recording: Recording | null = null;
  private known = new Map<string, Entry[]>();
  private names = new Map<string, number>();
  private count = 0;

  /** Starts a graph. Only one is traced at a time. */
  begin(options: Pick<Recording, 'half' | 'integers' | 'freeze'>): Recording {
    if (this.recording) throw new Error('a graph is being traced already');
    this.entries = new WeakMap(); // tensors of an earlier trace are invalid
    this.known.clear();
    this.names.clear();
    this.recording = { nodes: [], variables: new Map(), shapes: new Map(), ...options };
    return this.recording;
  }

  /** Ends the current trace. */
  end(): void {
    this.recording = null;
    this.known.clear();
  }

  // Interface for kernels

  get half(): boolean {
    return this.recording?.half ?? false;
  }

  /** Element type of tfjs' int32 tensors in the graph. (Shapes and axes, `ints`, are always int32.) */
  get integers(): ElementType {
    return this.recording?.integers ?? 'int32';
  }

  ops(op: string, inputs: tf.TensorInfo[], attrs: Attrs, outputs: OutputSpec[]): tf.TensorInfo[] {
    const refs = inputs.map((x) => this.ref(this.entryOf(x)));
    return this.node(op, refs, attrs, outputs).map((entry) => this.info(entry));
  }

  op(op: string, inputs: tf.TensorInfo[], attrs: Attrs, shape: number[], dtype: ElementType = 'float32') {
    return this.ops(op, inputs, attrs, [{ shape, dtype }])[0];
  }

  ints(values: number | readonly number[] | readonly (readonly number[])[]): tf.TensorInfo {
    if (typeof values === 'number') return this.literal(Int32Array.of(values), [], 'int32');
    const rows = values.flat();
    const shape = Array.isArray(values[0]) ? [values.length, values[0].length] : [values.length];
    return this.literal(Int32Array.from(rows), shape, 'int32');
  }

  fill(value: number, shape: number[], dtype: ElementType): tf.TensorInfo {
    return this.literal(toValues([value], dtype), shape, this.inGraph(dtype));
  }

  type(x: tf.TensorInfo): { type: ElementType } {
    return { type: this.entryOf(x).type };
  }

  cast(x: tf.TensorInfo, to: ElementType): tf.TensorInfo {
    return this.castTo(x, this.inGraph(to));
  }

  /** Element type in the graph of a tensor whose type in tfjs is `dtype`. */
  inGraph(dtype: ElementType): ElementType {
    return dtype === 'int32' ? this.integers : dtype;
  }

  private castTo(x: tf.TensorInfo, to: ElementType): tf.TensorInfo {
    const { type, shape } = this.entryOf(x);
    if (type === to) return x;
    return this.op('Cast', [x], { SrcT: { type }, DstT: { type: to }, Truncate: false }, shape, to);
  }

  /** The common value of all elements of x, if it is known while tracing. */
  uniform(x: tf.TensorInfo): number | undefined {
    const literal = this.entryOf(x).literal;
    return literal?.values.length === 1 ? literal.values[0] : undefined;
  }

  /** Another tensor for the same output as x. */
  alias(x: tf.TensorInfo): tf.TensorInfo {
    return this.info(this.entryOf(x));
  }

  /** A constant. @param values all elements, or one that is repeated */
  literal(values: Values, shape: number[], dtype: ElementType): tf.TensorInfo {
    return this.info({ shape, type: dtype, literal: { dtype, shape, values } });
  }

  // Interface for trace.ts

  /** Adds an input of the graph. */
  placeholder(name: string, shape: number[], dtype: ElementType): { info: tf.TensorInfo; node: string } {
    const [entry] = this.node(
      'Placeholder',
      [],
      { dtype: { type: dtype }, shape: { shape } },
      [{ shape, dtype }],
      name,
    );
    return { info: this.info(entry), node: entry.ref! };
  }

  /** Adds an output of the graph: an Identity node with this name. */
  output(x: tf.TensorInfo, name: string): { node: string; shape: number[]; dtype: ElementType } {
    const entry = this.entryOf(x);
    const dtype = OUTSIDE[entry.type] ?? entry.type;
    const source = this.ref(this.entryOf(this.castTo(x, dtype)));
    const [out] = this.node('Identity', [source], { T: { type: dtype } }, [{ shape: entry.shape, dtype }], name);
    return { node: out.ref!, shape: entry.shape, dtype };
  }

  private entryOf(x: tf.TensorInfo): Entry {
    const found = this.entries.get(x.dataId);
    if (found) return found;
    const { recording } = this;
    if (!recording) throw new Error('a tensor of a traced function was used after tracing');
    const owner = (tf.engine().state as unknown as EngineState).tensorInfo.get(x.dataId)?.backend;
    if (owner === this || owner === undefined) {
      throw new Error('a tensor of one traced function was used in another, or a tensor after it was disposed');
    }
    if (x instanceof tf.Variable && !recording.freeze) {
      let known = recording.variables.get(x);
      if (!known) {
        const { info, node } = this.placeholder(x.name, x.shape, elementType(x.dtype));
        known = { entry: this.entryOf(this.cast(info, elementType(x.dtype))), node };
        recording.variables.set(x, known);
      }
      return known.entry;
    }
    const type = this.inGraph(elementType(x.dtype));
    const values = toValues(tf.engine().readSync(x.dataId) as unknown as ArrayLike<number>, type);
    const entry = { shape: x.shape, type, literal: { dtype: type, shape: x.shape, values: compact(values) } };
    this.entries.set(x.dataId, entry);
    return entry;
  }

  private ref(entry: Entry): string {
    if (entry.ref) return entry.ref;
    const literal = entry.literal!;
    const { dtype, shape, values } = literal;
    const size = tf.util.sizeFromShape(shape);
    if (size > MAX_STORED && values.length === 1) {
      const T = { type: dtype };
      const scalar = this.ref({ shape: [], type: dtype, literal: { dtype, shape: [], values } });
      const dims = this.ref(this.entryOf(this.ints(shape)));
      entry.ref = this.node('Fill', [dims, scalar], { T, index_type: { type: 'int32' } }, [{ shape, dtype }])[0].ref!;
    } else {
      const attrs = { dtype: { type: dtype }, value: { tensor: literal } };
      entry.ref = this.node('Const', [], attrs, [{ shape, dtype }])[0].ref!;
    }
    return entry.ref;
  }

  /** Adds a node, or returns an equal one (common subexpression elimination): all ops are pure functions. */
  private node(op: string, inputs: string[], attrs: Attrs, outputs: OutputSpec[], wanted?: string): Entry[] {
    if (!this.recording) throw new Error(`${op} was called on the symbolic backend outside of a trace`);
    const key = wanted === undefined ? nodeKey(op, inputs, attrs) : undefined;
    const same = key !== undefined && this.known.get(key);
    if (same) return same;
    const name = this.unique(wanted ?? op);
    this.recording.nodes.push({ name, op, inputs, attrs });
    const entries = outputs.map(({ shape, dtype }, i) => ({ ref: i ? `${name}:${i}` : name, shape, type: dtype }));
    for (const { ref, shape } of entries) this.recording.shapes.set(ref, shape);
    if (key !== undefined) this.known.set(key, entries);
    return entries;
  }

  private unique(wanted: string): string {
    const base = wanted.replace(/[^A-Za-z0-9_.\\/-]/g, '_').replace(/^[^A-Za-z0-9.]/, 'n$&');
    const n = this.names.get(base) ?? 0;
    this.names.set(base, n + 1);
    if (n === 0) return base;
    const name = `${base}_${n}`;
    return this.names.has(name) ? this.unique(base) : this.unique(name);
  }

  /** Whether a tensor was created by this backend, and not captured from another one. */
  owns(x: tf.TensorInfo): boolean {
    return this.entries.has(x.dataId);
  }

  private info(entry: Entry): tf.TensorInfo {
    const dataId = {};
    this.entries.set(dataId, entry);
    this.count++;
    return { dataId, shape: entry.shape, dtype: tensorType(entry.type) };
  }

  // Interface for tfjs' engine (tf.KernelBackend)

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const type = this.inGraph(elementType(dtype));
    const { dataId } = this.literal(compact(toValues(values as unknown as ArrayLike<number>, type)), shape, type);
    return dataId;
  }

  override move(): never {
    throw new Error('a tensor of another backend was moved to the symbolic one');
  }

  override readSync(): never {
    throw new Error(
      'a tensor was read (data, dataSync, array, print …) while its function is being traced: it has no value yet, only ' +
        'a shape. Compute with tensors instead, or return it from the function and read the result.',
    );
  }

  override read(): never {
    return this.readSync();
  }

  override disposeData(dataId: object): boolean {
    if (this.entries.delete(dataId)) this.count--;
    return true;
  }

  override numDataIds(): number {
    return this.count;
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {}
  override dispose(): void {}
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override memory() {
    return { unreliable: true, reasons: ['symbolic tensors take no memory'] };
  }
}

interface EngineState {
  tensorInfo: WeakMap<object, { backend: unknown }>;
}

/** The type in tfjs of an element type. */
function tensorType(type: ElementType): tf.DataType {
  if (type === 'bfloat16' || type === 'float16') return 'float32';
  return type === 'uint8' || type === 'int64' ? 'int32' : type;
}

function toValues(values: ArrayLike<number>, type: ElementType): Values {
  if (type === 'int32' || type === 'int64') return values instanceof Int32Array ? values : Int32Array.from(values);
  if (type === 'bool' || type === 'uint8') return values instanceof Uint8Array ? values : Uint8Array.from(values);
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** One element when all are equal, else the values unchanged. */
function compact(values: Values): Values {
  const first = values[0];
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], first)) return values;
  return values.length > 1 ? values.slice(0, 1) : values;
}

/** Nodes with equal keys have equal results; undefined for nodes with large constants, which are not compared. */
function nodeKey(op: string, inputs: string[], attrs: Attrs): string | undefined {
  const parts = [op, inputs.join()];
  for (const [name, value] of Object.entries(attrs)) {
    const text = attrKey(value);
    if (text === undefined) return undefined;
    parts.push(name, text);
  }
  return parts.join('|');
}

function attrKey(value: AttrValue): string | undefined {
  if (typeof value !== 'object' || Array.isArray(value)) return `${typeof value}${value}`;
  if ('type' in value) return value.type;
  if ('float' in value) return `float${Object.is(value.float, -0) ? '-0' : value.float}`;
  if ('shape' in value) return `shape${value.shape}`;
  if (!('tensor' in value) || value.tensor.values.length > MAX_COMPARED) return undefined;
  const { dtype, shape, values } = value.tensor;
  return `${dtype}${shape}=${Array.from(values, (v) => (Object.is(v, -0) ? '-0' : v))}`;
}

let backend: SymbolicBackend | undefined;

/** The symbolic backend, registered with tfjs at the lowest priority, so that tfjs never selects it automatically. */
export function symbolicBackend(): SymbolicBackend {
  if (!backend) {
    const made = new SymbolicBackend();
    tf.registerBackend(SYMBOLIC, () => made, -1);
    backend = made;
  }
  return backend;
}
