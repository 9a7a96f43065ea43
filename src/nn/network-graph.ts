/** The network as one TensorFlow graph: images in, decoded predictions out. */
import type { ElementType, Graph, Port } from '../graph/graph.js';
import { NodeList } from '../graph/node-list.js';
import { decodeHead } from './decode.js';
import { GraphOps } from './graph-ops.js';
import { runLayers } from './layers.js';
import type { ModelSpec } from './model-yaml.js';

/** Name of the input [B, H, W, 3] and of its node. */
export const INPUT = 'images';
/** Name of the output [B, 4 + K, A] (cx cy w h in pixels of the input, then K scores 0..1) and of its node. */
export const OUTPUT = 'output0';

/** Input and precision of the graph. */
export interface GraphOptions {
  /** Batch, height and width of the input; −1 (the default) for a dynamic dimension. */
  shape?: readonly [batch: number, height: number, width: number];
  /** Element type of the input. Default: float32. */
  dtype?: ElementType;
  /** Feature maps in bfloat16. Default: false. */
  half?: boolean;
  /** Factor of the input, if it is not folded into the first convolutions. Default: 1. */
  scale?: number;
}

/** Graph of a network. */
export interface NetworkGraph extends Graph {
  /** Nodes of the logits [B, A, 4R] and [B, A, K]. */
  head: { boxes: string; scores: string };
}

/**
 * @param parameter adds a parameter to the node list (BatchNorm folded, kernels HWIO) and returns its float32 output
 * @returns a graph with the input `images`, RGB, and the output `output0`
 */
export function networkGraph(
  spec: ModelSpec,
  parameter: (list: NodeList, name: string, shape: number[]) => string,
  { shape = [-1, -1, -1], dtype = 'float32', half = false, scale = 1 }: GraphOptions = {},
): NetworkGraph {
  const list = new NodeList();
  const input: Port = { name: INPUT, node: INPUT, shape: [...shape, spec.channels], dtype };
  const ops = new GraphOps(list, (name, size) => parameter(list, name, size), half);
  const image = ops.image(list.placeholder(INPUT, input.shape, dtype), input.shape, dtype, scale);
  const head = runLayers(spec, ops, image);
  const { centre, size, scores } = decodeHead(ops, spec.head.name, head, ops.anchors(head.maps, spec.strides));
  const output = ops.transposed(ops.concat([centre, size, scores]), OUTPUT);
  return {
    nodes: list.nodes,
    inputs: [input],
    outputs: [{ name: OUTPUT, node: OUTPUT, shape: output.shape, dtype: 'float32' }],
    head: { boxes: head.boxes.ref, scores: head.scores.ref },
  };
}
