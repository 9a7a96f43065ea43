/**
 * An ONNX model in the making: nodes and constants are added one by one, then everything is written as a protocol buffer.
 * Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Constants are referred to,
 * never copied, or made only when the model is written, so that a model of hundreds of megabytes is never in memory whole.
 */
import { bytes, concat, message, type ProtoPart, packedVarints, string, varint } from '../io/protobuf.js';
import { bytesOf } from '../io/typed.js';

/** TensorProto.DataType. */
export const ELEMENT = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
export type Element = keyof typeof ELEMENT;
const BYTES: Record<Element, number> = { float32: 4, int32: 4, int64: 8, bool: 1, float16: 2 };

/** An attribute of a node: a whole number, a list of them, or a word. No operator here needs more. */
export type Attribute = number | readonly number[] | string;

/** A size of a dimension, or the name of one that is free. */
export type Dimension = number | string;

export interface Port {
  name: string;
  element: Element;
  shape: readonly Dimension[];
}

export interface ModelParts {
  name: string;
  inputs: Port[];
  outputs: Port[];
  opset: number;
  producer: string;
  version: string;
  metadata: Record<string, string>;
}

/** AttributeProto.AttributeType. */
const KIND = { int: 2, string: 3, ints: 7 } as const;

export class OnnxGraph {
  private readonly nodes: ProtoPart[] = [];
  private readonly constants: ProtoPart[] = [];
  private readonly taken = new Set<string>();

  /** Adds a node. @returns the name of its (first) output, which is the node's own */
  op(type: string, name: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.split(type, name, inputs, 1, attributes)[0];
  }

  /** Adds a node with several outputs. @returns their names */
  split(
    type: string,
    name: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
  ): string[] {
    const own = this.free(name);
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? own : this.free(`${name}.${i}`)));
    const list = Object.entries(attributes).map(([key, value]) => message(5, string(1, key), attributeValue(value)));
    this.nodes.push(
      message(
        1,
        inputs.map((n) => string(1, n)),
        names.map((n) => string(2, n)),
        string(3, own),
        string(4, type),
        list,
      ),
    );
    return names;
  }

  /** Adds a constant from the little-endian bytes of its numbers, or from what gives them when the model is written. */
  constant(
    name: string,
    element: Element,
    shape: readonly number[],
    data: ArrayBufferView | (() => ArrayBufferView),
  ): string {
    const own = this.free(name);
    const length = shape.reduce((a, b) => a * b, 1) * BYTES[element];
    const raw = typeof data === 'function' ? { length, make: () => bytesOf(data()) } : bytesOf(data);
    this.constants.push(
      message(5, packedVarints(1, shape), varint(2, ELEMENT[element]), string(8, own), bytes(9, raw)),
    );
    return own;
  }

  floats(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant(name, 'float32', shape, Float32Array.from(values));
  }

  /** 64-bit whole numbers: shapes, axes, indices. */
  ints(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant(name, 'int64', shape, BigInt64Array.from(values, BigInt));
  }

  /** The whole model. */
  model({ name, inputs, outputs, opset, producer, version, metadata }: ModelParts): ProtoPart {
    const graph = message(
      7,
      this.nodes,
      string(2, name),
      this.constants,
      inputs.map((p) => message(11, portParts(p))),
      outputs.map((p) => message(12, portParts(p))),
    );
    const properties = Object.entries(metadata).map(([key, value]) => message(14, string(1, key), string(2, value)));
    return concat(
      varint(1, irVersion(opset)),
      string(2, producer),
      string(3, version),
      graph,
      message(8, string(1, ''), varint(2, opset)),
      properties,
    );
  }

  private free(name: string): string {
    let own = name;
    for (let i = 2; this.taken.has(own); i++) own = `${name}_${i}`;
    this.taken.add(own);
    return own;
  }
}

/** The oldest file version that goes with an operator set: older runtimes read it, too. */
function irVersion(opset: number): number {
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  return opset <= 20 ? 9 : 10;
}

function attributeValue(value: Attribute): ProtoPart {
  if (typeof value === 'number') return concat(varint(3, value), varint(20, KIND.int));
  if (typeof value === 'string') return concat(string(4, value), varint(20, KIND.string));
  return concat(
    value.map((v) => varint(8, v)),
    varint(20, KIND.ints),
  );
}

function portParts({ name, element, shape }: Port): ProtoPart {
  const dims = shape.map((d) => message(1, typeof d === 'number' ? varint(1, d) : string(2, d)));
  return concat(string(1, name), message(2, message(1, varint(1, ELEMENT[element]), message(2, dims))));
}
