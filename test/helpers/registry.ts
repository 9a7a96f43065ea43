/**
 * What a build of TensorFlow can compute: its ops and, for each kind of device, the kernels with the element types they take.
 * Read from TensorFlow's own messages, tensorflow/core/framework/{kernel_def,op_def,attr_value}.proto.
 */

import { type ElementType, TYPE_NUMBER } from '../../src/graph/graph.js';
import { bytesFields, intFields, readFields, stringField } from '../../src/io/protobuf.js';

/** An input or output of an op; `count` names the attribute that says how many there are of it. */
export interface OpArgument {
  name: string;
  count?: string;
}

export interface OpDefinition {
  inputs: OpArgument[];
  outputs: OpArgument[];
  /** Element types of attributes that a node may leave out. */
  defaults: Record<string, ElementType>;
}

export interface Kernel {
  /** CPU, GPU; DEFAULT serves every device that has none of its own. */
  device: string;
  /** Element types it takes, by attribute; an attribute that isn't here may have any. */
  types: Record<string, ElementType[]>;
  /** Arguments whose values lie in the host's memory. */
  host: string[];
  priority: number;
}

export interface Registry {
  ops: Record<string, OpDefinition>;
  kernels: Record<string, Kernel[]>;
}

const TYPE_NAME = new Map(Object.entries(TYPE_NUMBER).map(([name, number]) => [number, name as ElementType]));

/** @param kernels KernelList @param ops OpList @param wanted names of ops; others are left out */
export function readRegistry(kernels: Uint8Array, ops: Uint8Array, wanted: ReadonlySet<string>): Registry {
  const registry: Registry = { ops: {}, kernels: {} };
  for (const op of bytesFields(readFields(ops), 1)) {
    const fields = readFields(op);
    const name = stringField(fields, 1) ?? '';
    if (wanted.has(name)) registry.ops[name] = readOp(fields);
  }
  for (const kernel of bytesFields(readFields(kernels), 1)) {
    const fields = readFields(kernel);
    const name = stringField(fields, 1) ?? '';
    if (wanted.has(name) && stringField(fields, 5) === undefined) {
      registry.kernels[name] ??= [];
      registry.kernels[name].push(readKernel(fields));
    }
  }
  return registry;
}

type Fields = ReturnType<typeof readFields>;

function readOp(fields: Fields): OpDefinition {
  const argument = (bytes: Uint8Array): OpArgument => {
    const arg = readFields(bytes);
    const count = stringField(arg, 5);
    return { name: stringField(arg, 1) ?? '', ...(count !== undefined && { count }) };
  };
  const defaults: Record<string, ElementType> = {};
  for (const bytes of bytesFields(fields, 4)) {
    const attribute = readFields(bytes);
    const value = bytesFields(attribute, 3)[0];
    const type = value && TYPE_NAME.get(intFields(readFields(value), 6)[0]);
    if (type) defaults[stringField(attribute, 1) ?? ''] = type;
  }
  return { inputs: bytesFields(fields, 2).map(argument), outputs: bytesFields(fields, 3).map(argument), defaults };
}

function readKernel(fields: Fields): Kernel {
  const types: Record<string, ElementType[]> = {};
  for (const bytes of bytesFields(fields, 3)) {
    const constraint = readFields(bytes);
    const list = bytesFields(readFields(bytesFields(constraint, 2)[0] ?? new Uint8Array()), 1)[0];
    if (!list) continue;
    const fields = readFields(list);
    if (bytesFields(fields, 2).length > 0) continue; // of a text, such as GatherNd's bad_indices_policy; ours are the defaults
    const names = intFields(fields, 6).map((number) => TYPE_NAME.get(number));
    types[stringField(constraint, 1) ?? ''] = names.filter((name) => name !== undefined);
  }
  const host = bytesFields(fields, 4).map((bytes) => new TextDecoder().decode(bytes));
  return { device: stringField(fields, 2) ?? '', types, host, priority: intFields(fields, 6)[0] ?? 0 };
}
