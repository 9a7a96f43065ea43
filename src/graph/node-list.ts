/** A builder of TensorFlow graphs node by node, for graphs that are not traced. */
import type { Attrs, ElementType, GraphNode, Literal } from './graph.js';

/** Equal constants of up to this number of values are stored once. */
const MAX_COMPARED = 64;

/** Nodes of a graph under construction. */
export class NodeList {
  readonly nodes: GraphNode[] = [];
  private readonly taken = new Map<string, number>();
  /** Constants by their content. */
  private readonly constants = new Map<string, string>();

  /** Adds a node. @param name a number is appended when it is in use @returns its name, which refers to its first output */
  add(op: string, inputs: string[], attrs: Attrs, name = op): string {
    const n = this.taken.get(name) ?? 0;
    this.taken.set(name, n + 1);
    const own = n === 0 ? name : `${name}_${n}`;
    this.nodes.push({ name: own, op, inputs, attrs });
    return own;
  }

  /** Adds a copy of a node. @returns its name */
  push({ op, inputs, attrs, name }: GraphNode): string {
    return this.add(op, inputs, attrs, name);
  }

  /** Adds an input of the graph. @param shape −1 for a dimension of any size @returns its name */
  placeholder(name: string, shape: number[], dtype: ElementType): string {
    return this.add('Placeholder', [], { dtype: { type: dtype }, shape: { shape } }, name);
  }

  /** Adds an int32 scalar or vector. @returns its name */
  ints(values: number | readonly number[]): string {
    const shape = typeof values === 'number' ? [] : [values.length];
    return this.constant({ dtype: 'int32', shape, values: Int32Array.from([values].flat()) });
  }

  /** Adds a float32 scalar. @returns its name */
  float(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], values: Float32Array.of(value) });
  }

  /** Adds a constant, or finds an equal small one. @returns its name */
  constant(tensor: Literal, name = 'Const'): string {
    const size = tensor.shape.reduce((a, b) => a * b, 1);
    const key = size <= MAX_COMPARED ? `${tensor.dtype} ${tensor.shape} = ${tensor.values}` : undefined;
    const known = key !== undefined && this.constants.get(key);
    if (known) return known;
    const made = this.add('Const', [], { dtype: { type: tensor.dtype }, value: { tensor } }, name);
    if (key !== undefined) this.constants.set(key, made);
    return made;
  }

  /** Adds a cast, unless the types are equal. @returns its name */
  cast(x: string, from: ElementType, to: ElementType): string {
    if (from === to) return x;
    return this.add('Cast', [x], { SrcT: { type: from }, DstT: { type: to }, Truncate: false });
  }
}
