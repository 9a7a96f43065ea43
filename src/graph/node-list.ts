/** A TensorFlow graph in the making, node by node: for graphs that are written down, not traced. */
import type { Attrs, ElementType, GraphNode, Literal } from './graph.js';

/** Constants of up to so many values are compared, so that equal ones are stored once. */
const COMPARED = 64;

export class NodeList {
  readonly nodes: GraphNode[] = [];
  private readonly taken = new Map<string, number>();
  /** Constants by their content. */
  private readonly constants = new Map<string, string>();

  /** Adds a node. @param name a number is put behind it when it is taken @returns its name: its first output */
  add(op: string, inputs: string[], attrs: Attrs, name = op): string {
    const n = this.taken.get(name) ?? 0;
    this.taken.set(name, n + 1);
    const own = n === 0 ? name : `${name}_${n}`;
    this.nodes.push({ name: own, op, inputs, attrs });
    return own;
  }

  /** Adds a node that is there already. @returns its name */
  push({ op, inputs, attrs, name }: GraphNode): string {
    return this.add(op, inputs, attrs, name);
  }

  /** An input of the graph. @param shape −1 where any size goes */
  placeholder(name: string, shape: number[], dtype: ElementType): string {
    return this.add('Placeholder', [], { dtype: { type: dtype }, shape: { shape } }, name);
  }

  /** An int32 scalar or vector. */
  ints(values: number | readonly number[]): string {
    const shape = typeof values === 'number' ? [] : [values.length];
    return this.constant({ dtype: 'int32', shape, values: Int32Array.from([values].flat()) });
  }

  float(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], values: Float32Array.of(value) });
  }

  /** A small one that is there already is found again. */
  constant(tensor: Literal, name = 'Const'): string {
    const size = tensor.shape.reduce((a, b) => a * b, 1);
    const key = size <= COMPARED ? `${tensor.dtype} ${tensor.shape} = ${tensor.values}` : undefined;
    const known = key !== undefined && this.constants.get(key);
    if (known) return known;
    const made = this.add('Const', [], { dtype: { type: tensor.dtype }, value: { tensor } }, name);
    if (key !== undefined) this.constants.set(key, made);
    return made;
  }

  cast(x: string, from: ElementType, to: ElementType): string {
    if (from === to) return x;
    return this.add('Cast', [x], { SrcT: { type: from }, DstT: { type: to }, Truncate: false });
  }
}
