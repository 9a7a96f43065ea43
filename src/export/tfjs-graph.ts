/**
 * A traced graph in terms of what the GraphModel executor of TensorFlow.js knows and every backend of it computes alike:
 * a convolution with explicit padding becomes Pad and a convolution without (tfjs-node takes no explicit one), a
 * convolution and the BiasAdd after it become one op.
 */
import { type Attrs, type AttrValue, type Graph, type GraphNode, TYPE_NAME } from '../graph/graph.js';

export function forTfjs(graph: Graph): Graph {
  return { ...graph, nodes: fused(padded(graph.nodes)) };
}

function padded(nodes: readonly GraphNode[]): GraphNode[] {
  const made = new Map<string, GraphNode>();
  return nodes.flatMap((node): GraphNode[] => {
    const { explicit_paddings: sides, ...attrs } = node.attrs;
    if (!Array.isArray(sides)) return [node];
    const [x, kernel] = node.inputs;
    const name = `paddings_${sides.join('_')}`;
    const first = !made.has(name);
    const paddings = made.get(name) ?? int32(name, [4, 2], sides);
    made.set(name, paddings);
    const pad: GraphNode = {
      name: `${node.name}/Pad`,
      op: 'Pad',
      inputs: [x, name],
      attrs: { T: { type: 'float32' }, Tpaddings: { type: 'int32' } },
    };
    const conv = { ...node, inputs: [pad.name, kernel], attrs: { ...attrs, padding: 'VALID' } };
    return first ? [paddings, pad, conv] : [pad, conv];
  });
}

function int32(name: string, shape: number[], values: number[]): GraphNode {
  const tensor = { dtype: 'int32' as const, shape, values: Int32Array.from(values) };
  return { name, op: 'Const', inputs: [], attrs: { dtype: { type: 'int32' }, value: { tensor } } };
}

/** What a convolution and its BiasAdd become. */
const WITH_BIAS: Record<string, string> = {
  Conv2D: '_FusedConv2D',
  DepthwiseConv2dNative: 'FusedDepthwiseConv2dNative',
};

function fused(nodes: readonly GraphNode[]): GraphNode[] {
  const readers = new Map<string, number>();
  for (const input of nodes.flatMap(({ inputs }) => inputs)) readers.set(input, (readers.get(input) ?? 0) + 1);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const gone = new Set<GraphNode>();
  const out = nodes.map((node): GraphNode => {
    const conv = byName.get(node.inputs[0]);
    const op = node.op === 'BiasAdd' && conv ? WITH_BIAS[conv.op] : undefined;
    if (!op || !conv || readers.get(conv.name) !== 1) return node;
    gone.add(conv);
    const attrs: Attrs = { ...conv.attrs, num_args: 1, epsilon: { float: 0 } };
    return { name: node.name, op, inputs: [...conv.inputs, node.inputs[1]], attrs };
  });
  return out.filter((node) => !gone.has(node));
}

/** A node in protobuf's JSON; values of constants are left to the weights. */
export function nodeJson({ name, op, inputs, attrs }: GraphNode): object {
  const attr = Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, attrJson(value)]));
  if (Object.values(WITH_BIAS).includes(op)) Object.assign(attr, { fused_ops: { list: { s: [base64('BiasAdd')] } } });
  return { name, op, ...(inputs.length ? { input: inputs } : {}), attr };
}

function attrJson(value: AttrValue): object {
  if (typeof value === 'string') return { s: base64(value) };
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'number') return { i: String(value) };
  if (Array.isArray(value)) return { list: { i: value.map(String) } };
  if ('type' in value) return { type: TYPE_NAME[value.type] };
  if ('float' in value) return { f: value.float };
  if ('shape' in value) return { shape: shapeJson(value.shape) };
  if (!('tensor' in value)) throw new Error('GraphModels of this project hold no checkpoint');
  const { dtype, shape } = value.tensor;
  return { tensor: { dtype: TYPE_NAME[dtype], tensorShape: shapeJson(shape) } };
}

export function shapeJson(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size: String(size) })) };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
