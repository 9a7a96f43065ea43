/**
 * Writes a graph as TensorFlow's messages: NodeDef, GraphDef and the SavedModel around it. Field numbers are those of
 * tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types,versions}.proto and
 * tensorflow/core/protobuf/{meta_graph,saved_model}.proto.
 */
import {
  bytes,
  concat,
  float,
  message,
  type ProtoPart,
  packedFloats,
  packedVarints,
  string,
  varint,
} from '../io/protobuf.js';
import { bytesOf } from '../io/typed.js';
import {
  type AttrValue,
  type ElementType,
  type Graph,
  type GraphNode,
  type Literal,
  type Port,
  TYPE_NUMBER,
} from './graph.js';

/** Version of the graph format that the nodes are written for: that of TensorFlow 2.21. */
const PRODUCER = 1987;

/** TensorShapeProto. */
export const tensorShape = (shape: readonly number[]): ProtoPart => concat(shape.map((d) => message(2, varint(1, d))));

/** Field of a TensorProto for single values; int_val, 7, serves the other integers. */
const VALUES_FIELD: Partial<Record<ElementType, number>> = { bool: 11, int64: 10 };

/** TensorProto: raw bytes, or one value that is repeated. */
function tensorProto({ dtype, shape, values }: Literal): ProtoPart {
  const size = shape.reduce((a, b) => a * b, 1);
  const head = [varint(1, TYPE_NUMBER[dtype]), message(2, tensorShape(shape))];
  if (size === 0) return concat(head);
  if (values.length === size) {
    return concat(head, bytes(4, bytesOf(dtype === 'int64' ? BigInt64Array.from(values, BigInt) : values)));
  }
  if (values instanceof Float32Array) return concat(head, packedFloats(5, values));
  return concat(head, packedVarints(VALUES_FIELD[dtype] ?? 7, values));
}

function stringTensor(values: string | readonly string[]): ProtoPart {
  const shape = typeof values === 'string' ? [] : [values.length];
  return concat(
    varint(1, TYPE_NUMBER.string),
    message(2, tensorShape(shape)),
    [values].flat().map((value) => string(8, value)),
  );
}

function attrValue(value: AttrValue): ProtoPart {
  if (typeof value === 'string') return string(2, value);
  if (typeof value === 'boolean') return varint(5, value);
  if (typeof value === 'number') return varint(3, value);
  if (Array.isArray(value)) return message(1, packedVarints(3, value));
  if ('type' in value) return varint(6, TYPE_NUMBER[value.type]);
  if ('types' in value)
    return message(
      1,
      packedVarints(
        6,
        value.types.map((type) => TYPE_NUMBER[type]),
      ),
    );
  if ('texts' in value) return message(1, concat(...value.texts.map((text) => string(2, text))));
  if ('strings' in value) return message(8, stringTensor(value.strings));
  if ('float' in value) return float(4, value.float);
  if ('shape' in value) return message(7, tensorShape(value.shape));
  return message(8, tensorProto(value.tensor));
}

/** Encoded attributes by name and value, for reuse: most nodes have the same few. */
type Written = Map<string, ProtoPart>;

function attribute(name: string, value: AttrValue, written: Written): ProtoPart {
  const own = typeof value === 'object' && ('tensor' in value || 'float' in value); // JSON has no infinity
  const key = own ? undefined : `${name} ${JSON.stringify(value)}`;
  const known = key !== undefined && written.get(key);
  if (known) return known;
  const made = message(5, string(1, name), message(2, attrValue(value)));
  if (key !== undefined) written.set(key, made);
  return made;
}

function nodeDef(node: GraphNode, written: Written): ProtoPart {
  return message(
    1,
    string(1, node.name),
    string(2, node.op),
    node.inputs.map((input) => string(3, input)),
    Object.entries(node.attrs).map(([name, value]) => attribute(name, value, written)),
  );
}

/** GraphDef of nodes. */
export function graphDef(nodes: readonly GraphNode[]): ProtoPart {
  const written: Written = new Map();
  return concat(
    nodes.map((node) => nodeDef(node, written)),
    message(4, varint(1, PRODUCER)),
  );
}

/** TensorInfo of a signature. */
function tensorInfo(port: Port): ProtoPart {
  return concat(string(1, `${port.node}:0`), varint(2, TYPE_NUMBER[port.dtype]), message(3, tensorShape(port.shape)));
}

/** The nodes that restore a graph's variables from the checkpoint variables/variables of a SavedModel. */
export interface Restore {
  /** Tensor that is fed with the checkpoint's path. */
  filename: string;
  /** Node that initialises all variables. */
  node: string;
  variables: RestoredVariable[];
}

/** Names of a variable's nodes: VarHandleOp, AssignVariableOp, ReadVariableOp. */
export interface RestoredVariable {
  handle: string;
  assign: string;
  read: string;
}

/** SavedModel with one graph, tag 'serve'; the signature `serving_default` has its inputs and outputs. */
export function savedModel(graph: Graph, restore: Restore): ProtoPart {
  const map = (field: number, ports: readonly Port[]) =>
    ports.map((port) => message(field, string(1, port.name), message(2, tensorInfo(port))));
  const serving = concat(map(1, graph.inputs), map(2, graph.outputs), string(3, 'tensorflow/serving/predict'));
  return concat(
    varint(1, 1),
    message(
      2,
      message(1, string(4, 'serve')),
      message(2, graphDef(graph.nodes)),
      message(3, saverDef(restore)),
      message(4, variableList(restore)),
      message(5, string(1, 'serving_default'), message(2, serving)),
    ),
  );
}

/** SaverDef (protobuf/saver.proto), version 2 of the checkpoint format. The field for saving is required, but not used. */
function saverDef({ filename, node }: Restore): ProtoPart {
  return concat(string(1, filename), string(2, filename), string(3, node), varint(7, 2));
}

/**
 * Collection 'variables' of the MetaGraphDef: a VariableDef (framework/variable.proto) for each variable. With it, the
 * Python loader creates separate variables for each model; otherwise loaded models share variables of the same name.
 */
function variableList({ variables }: Restore): ProtoPart {
  const list = variables.map(({ handle, assign, read }) =>
    bytes(1, concat(string(1, `${handle}:0`), string(2, assign), string(3, `${read}:0`), varint(5, 1)).finish()),
  );
  return concat(string(1, 'variables'), message(2, message(2, list)));
}
