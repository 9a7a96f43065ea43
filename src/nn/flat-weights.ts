/**
 * All weights of a network in one variable of a session: they are set by one assignment, and a graph needs one resource handle
 * instead of hundreds. The variable is [rows, 16] float32, and every parameter begins with a row: slices that are aligned to
 * 64 bytes are views in TensorFlow, not copies.
 */
import type { NodeList } from '../graph/node-list.js';
import { handle, read, type Variable } from '../graph/variables.js';
import { type ParameterSpec, sizeOf } from './parameters.js';

const ROW = 16;
const FLOAT = { type: 'float32' } as const;
const INT32 = { type: 'int32' } as const;

/** Layout of the parameters in the variable. */
export class FlatWeights {
  readonly variable: Variable;
  private readonly rows: number[];

  constructor(private readonly parameters: readonly ParameterSpec[]) {
    this.rows = parameters.map((parameter) => Math.ceil(sizeOf(parameter) / ROW));
    this.variable = { name: 'weights', shape: [this.rows.reduce((a, b) => a + b, 0), ROW] };
  }

  /** @param values returns those of a parameter, called once each @returns the variable's value */
  pack(values: (parameter: ParameterSpec) => Float32Array): Float32Array {
    const flat = new Float32Array(sizeOf(this.variable));
    let row = 0;
    this.parameters.forEach((parameter, i) => {
      flat.set(values(parameter), row * ROW);
      row += this.rows[i];
    });
    return flat;
  }

  /** Adds nodes that read the variable and split it into the parameters. @returns output of each parameter by its name */
  unpack(list: NodeList): Map<string, string> {
    const source = list.push(read('weights/read', list.push(handle('weights/handle', this.variable))));
    const attrs = { num_split: this.rows.length, T: FLOAT, Tlen: INT32 };
    const pieces = list.add('SplitV', [source, list.ints(this.rows), list.ints(0)], attrs, 'weights/pieces');
    const reshaped = (x: string, shape: number[], name?: string) =>
      list.add('Reshape', [x, list.ints(shape)], { T: FLOAT, Tshape: INT32 }, name);
    return new Map(
      this.parameters.map((parameter, i) => {
        const { name, shape } = parameter;
        const piece = i ? `${pieces}:${i}` : pieces;
        const size = sizeOf(parameter);
        if (size === this.rows[i] * ROW) return [name, reshaped(piece, shape, name)];
        const whole = [reshaped(piece, [-1]), list.ints([0]), list.ints([size])];
        return [name, reshaped(list.add('Slice', whole, { T: FLOAT, Index: INT32 }), shape, name)];
      }),
    );
  }
}
