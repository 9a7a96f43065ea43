/**
 * format=saved_model: a folder that TensorFlow loads (Python: tf.saved_model.load(dir).signatures['serving_default'];
 * tfjs-node; TensorFlow Serving). Signature serving_default: `images` [B, H, W, 3] float32 RGB 0..1 → `output0`
 * [B, 4 + K, A], cx cy w h in pixels of the input, then K scores 0..1. The weights are variables, whose values lie in
 * variables/: as constants of the graph they would be held several times while it loads, and end at 2 GB.
 */
import { join } from 'node:path';
import { dump } from 'js-yaml';
import type { NamedArray } from '../core/types.js';
import type { ElementType, Graph, GraphNode } from '../graph/graph.js';
import { type Restore, savedModel } from '../graph/graphdef.js';
import { openAtomic, writeFileAtomic } from '../io/files.js';
import { floatToHalf } from '../io/half.js';
import { bytesOf } from '../io/typed.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { inferenceGraph, isKernel, isParameter, literalOf } from './inference-graph.js';
import type { PlainMetadata } from './metadata.js';
import { type BundleTensor, writeBundle } from './tensor-bundle.js';

export interface SavedModelOptions {
  imgsz: readonly [height: number, width: number];
  batch: number;
  /** Kernels in float16, cast to float32 when the model runs: half the size, the same computation. */
  half: boolean;
  metadata: PlainMetadata;
}

/** @returns the files that were written, in the folder `dir` */
export function writeSavedModel(
  dir: string,
  spec: ModelSpec,
  weights: ReadonlyMap<string, NamedArray>,
  { imgsz, batch, half, metadata }: SavedModelOptions,
): string[] {
  const { graph, variables, restore } = withVariables(inferenceGraph(spec, weights, { batch, imgsz }), half);
  const [model, yaml] = [join(dir, 'saved_model.pb'), join(dir, 'metadata.yaml')];
  const file = openAtomic(model);
  try {
    for (const piece of savedModel(graph, restore).pieces()) file.write(piece);
    const bundle = writeBundle(join(dir, 'variables/variables'), variables);
    writeFileAtomic(yaml, dump(metadata));
    file.commit();
    return [model, yaml, ...bundle];
  } finally {
    file.abort();
  }
}

/** The names that TensorFlow's own savers give to these two. */
const FILENAME = 'save/filename';
const RESTORE_ALL = 'save/restore_all';

/** Every parameter as a variable, read under its old name, and the nodes that fill all of them from a checkpoint. */
function withVariables(graph: Graph, half: boolean): { graph: Graph; variables: BundleTensor[]; restore: Restore } {
  const variables: BundleTensor[] = [];
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    const literal = literalOf(node);
    if (!literal || !isParameter(node)) return [node];
    const dtype = half && isKernel(literal) ? 'float16' : 'float32';
    const values = () => literal.values as Float32Array;
    variables.push({
      name: node.name,
      dtype,
      shape: literal.shape,
      bytes: () => bytesOf(dtype === 'float16' ? floatToHalf(values()) : values()),
    });
    return variableNodes(node.name, dtype, literal.shape);
  });
  const restored = variables.map(({ name }, i) => ({
    handle: handleOf(name),
    assign: i === 0 ? 'save/Assign' : `save/Assign_${i}`,
    read: variables[i].dtype === 'float16' ? halfOf(name) : name,
  }));
  const assigns = restored.map(({ handle, assign }, i) => ({
    name: assign,
    op: 'AssignVariableOp',
    inputs: [handle, i === 0 ? 'save/Restore' : `save/Restore:${i}`],
    attrs: { dtype: { type: variables[i].dtype } },
  }));
  const all = { name: RESTORE_ALL, op: 'NoOp', inputs: restored.map(({ assign }) => `^${assign}`), attrs: {} };
  return {
    graph: { ...graph, nodes: [...nodes, ...restoring(variables), ...assigns, all] },
    variables,
    restore: { filename: `${FILENAME}:0`, node: RESTORE_ALL, variables: restored },
  };
}

function handleOf(name: string): string {
  return `${name}/variable`;
}

/** The node that reads a variable as it is stored, where it is cast afterwards. */
function halfOf(name: string): string {
  return `${name}/float16`;
}

function variableNodes(name: string, dtype: ElementType, shape: number[]): GraphNode[] {
  const type = { type: dtype };
  const handle = handleOf(name);
  const read = (as: string): GraphNode => ({
    name: as,
    op: 'ReadVariableOp',
    inputs: [handle],
    attrs: { dtype: type },
  });
  const made = {
    name: handle,
    op: 'VarHandleOp',
    inputs: [],
    attrs: { dtype: type, shape: { shape }, shared_name: name },
  };
  if (dtype === 'float32') return [made, read(name)];
  const attrs = { SrcT: type, DstT: { type: 'float32' }, Truncate: false } as const;
  return [made, read(halfOf(name)), { name, op: 'Cast', inputs: [halfOf(name)], attrs }];
}

/** The file name's place, and one RestoreV2 with an output for each tensor. */
function restoring(tensors: readonly BundleTensor[]): GraphNode[] {
  const strings = (name: string, list: string[]): GraphNode => ({
    name,
    op: 'Const',
    inputs: [],
    attrs: { dtype: { type: 'string' }, value: { strings: list } },
  });
  return [
    { name: FILENAME, op: 'Placeholder', inputs: [], attrs: { dtype: { type: 'string' }, shape: { shape: [] } } },
    strings(
      'save/tensor_names',
      tensors.map(({ name }) => name),
    ),
    strings(
      'save/slices', // whole tensors
      tensors.map(() => ''),
    ),
    {
      name: 'save/Restore',
      op: 'RestoreV2',
      inputs: [FILENAME, 'save/tensor_names', 'save/slices'],
      attrs: { dtypes: { types: tensors.map(({ dtype }) => dtype) } },
    },
  ];
}
