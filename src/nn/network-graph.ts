/** The network as one TensorFlow graph: images in, decoded predictions out. */
import type { ElementType, Graph, Port } from '../graph/graph.js';
import { NodeList } from '../graph/node-list.js';
import { decodeHead } from './decode.js';
import { GraphOps, type GraphValue, type OpsOptions } from './graph-ops.js';
import { runLayers } from './layers.js';
import type { ModelSpec } from './model-yaml.js';

const INT32 = { type: 'int32' } as const;

/** Name of the input [B, H, W, 3] and of its node. */
export const INPUT = 'images';
/** Name of the input with the minimum score [] of a candidate for non-maximum suppression. */
export const MIN_SCORE = 'candidates/min_score';
/** Name of the output [N, 4 + K]: predictions with a class above it, ordered by image, then by anchor point. */
export const CANDIDATES = 'candidates/rows';
/** Name of the output with the index in the batch of each candidate's image, [N] int32. */
export const CANDIDATE_IMAGES = 'candidates/images';
/** Name of the output [B, 4 + K, A] (cx cy w h in pixels of the input, then K scores 0..1) and of its node. */
export const OUTPUT = 'output0';

/** Input and precision of the graph. */
export interface GraphOptions extends OpsOptions {
  /** Batch, height and width of the input; −1 (the default) for a dynamic dimension. */
  shape?: readonly [batch: number, height: number, width: number];
  /** Element type of the input. Default: float32. */
  dtype?: ElementType;
  /** Add the outputs CANDIDATES and CANDIDATE_IMAGES. Default: false. */
  withCandidates?: boolean;
  /** Factor of the input, if it is not folded into the first convolutions. Default: 1. */
  scale?: number;
}

/** Graph of a network. */
export interface NetworkGraph extends Graph {
  /** Nodes of the logits [B, A, 4R] and [B, A, K]. */
  head: { boxes: string; scores: string };
  /** Whether all convolutions are fused, so that TensorFlow's graph optimization has nothing to gain. */
  allFused: boolean;
}

/**
 * @param parameter adds a parameter to the node list (BatchNorm folded, kernels HWIO) and returns its float32 output
 * @returns a graph with the input `images`, RGB, and the output `output0`
 */
export function networkGraph(
  spec: ModelSpec,
  parameter: (list: NodeList, name: string, shape: number[]) => string,
  options: GraphOptions = {},
): NetworkGraph {
  const { shape = [-1, -1, -1], dtype = 'float32', scale = 1 } = options;
  const list = new NodeList();
  const input: Port = { name: INPUT, node: INPUT, shape: [...shape, spec.channels], dtype };
  const ops = new GraphOps(list, (name, size) => parameter(list, name, size), options);
  const image = ops.image(list.placeholder(INPUT, input.shape, dtype), input.shape, dtype, scale);
  const head = runLayers(spec, ops, image);
  const { centre, size, scores } = decodeHead(ops, spec.head.name, head, ops.anchors(head.maps, spec.strides));
  const rows = ops.concat([centre, size, scores]);
  const output = ops.transposed(rows, OUTPUT);
  if (options.withCandidates) addCandidates(list, rows, scores);
  return {
    nodes: list.nodes,
    inputs: [input],
    outputs: [{ name: OUTPUT, node: OUTPUT, shape: output.shape, dtype: 'float32' }],
    head: { boxes: head.boxes.ref, scores: head.scores.ref },
    allFused: !list.nodes.some(({ op }) => op === 'BiasAdd'),
  };
}

/** Adds nodes that select the candidates. @param rows [B, A, 4 + K] @param scores [B, A, K] */
function addCandidates(list: NodeList, rows: GraphValue, scores: GraphValue): void {
  const T = { type: 'float32' } as const;
  const minScore = list.placeholder(MIN_SCORE, [], 'float32');
  const best = list.add('Max', [scores.ref, list.ints([2])], { T, Tidx: INT32, keep_dims: false }); // [B, A]
  const above = list.add('Greater', [best, minScore], { T });
  const indices = list.add('Where', [above], { T: { type: 'bool' } }); // [N, 2] image, anchor point
  const params = { Tparams: T, Tindices: { type: 'int64' } } as const;
  list.add('GatherNd', [rows.ref, indices], params, CANDIDATES);
  const images = list.add('StridedSlice', [indices, list.ints([0, 0]), list.ints([0, 1]), list.ints([1, 1])], {
    T: { type: 'int64' },
    Index: INT32,
    begin_mask: 1,
    end_mask: 1,
    ellipsis_mask: 0,
    new_axis_mask: 0,
    shrink_axis_mask: 2,
  });
  list.add('Cast', [images], { SrcT: { type: 'int64' }, DstT: INT32, Truncate: false }, CANDIDATE_IMAGES);
}
