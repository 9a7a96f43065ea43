/**
 * A graph rewrite that removes sums (AddV2) and splits (SplitV) of gradients. The gradient of a tensor with several
 * consumers is the sum of their gradients, and the gradient of a concatenation's input is a slice; both need passes over
 * memory. Ops that add up several inputs while reading them (attributes N, from, to, count: channels [from, from + count)
 * of an input are added to channels [to, to + count)) receive the summands and the unsplit tensor instead.
 */
import type { GraphNode } from './graph.js';
import { nodeOf } from './prune.js';

/** Index of the first part among the inputs, by op. */
const first = new Map<string, number>();
/** Maximum number of parts that the kernels support. */
const MAX_PARTS = 8;

interface Part {
  ref: string;
  from: number;
  to: number;
  count: number;
}

/** Registers an op that adds up its inputs from index `start` on. */
export function registerSummingOp(op: string, start: number): void {
  first.set(op, start);
}

/**
 * @param nodes in topological order, pruned
 * @param outputs nodes whose values are fetched
 * @param shapeOf returns the shape of an output of a node
 * @returns the rewritten graph, not pruned
 */
export function fuseGradientSums(
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  shapeOf: (ref: string) => number[] | undefined,
): readonly GraphNode[] {
  if (!nodes.some(({ op }) => first.has(op))) return nodes;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const dissolved = sumsWithoutOwnUse(nodes, outputs, shapeOf);

  const expand = (part: Part): Part[] => {
    const node = byName.get(nodeOf(part.ref))!;
    if (dissolved.has(node.name)) return node.inputs.flatMap((ref) => expand({ ...part, ref }));
    if (node.op !== 'SplitV') return [part];
    const source = node.inputs[0];
    const axis = constant(byName.get(node.inputs[2]))?.[0];
    const sizes = constant(byName.get(node.inputs[1]));
    if (!sizes || axis !== (shapeOf(source)?.length ?? 0) - 1) return [part];
    const index = Number(part.ref.split(':')[1] ?? 0);
    const before = sizes.slice(0, index).reduce((a, b) => a + b, 0);
    return expand({ ...part, ref: source, from: part.from + before });
  };

  return nodes.map((node) => {
    const start = first.get(node.op);
    if (start === undefined) return node;
    const { from, to, count } = node.attrs as Record<'from' | 'to' | 'count', number[]>;
    const given = node.inputs.slice(start).map((ref, i) => ({ ref, from: from[i], to: to[i], count: count[i] }));
    const parts = given.flatMap(expand);
    if (parts.length > MAX_PARTS) return node;
    // a part that covers all channels comes first: the kernel may reuse its buffer for the result
    const whole = (part: Part) => part.from === 0 && shapeOf(part.ref)?.at(-1) === part.count;
    parts.sort((a, b) => b.count - a.count || Number(whole(b)) - Number(whole(a)));
    return {
      ...node,
      inputs: [...node.inputs.slice(0, start), ...parts.map(({ ref }) => ref)],
      attrs: {
        ...node.attrs,
        N: parts.length,
        from: parts.map((part) => part.from),
        to: parts.map((part) => part.to),
        count: parts.map((part) => part.count),
      },
    };
  });
}

/** Names of sums of equal shapes that are used only as parts, or as summands of such sums. */
function sumsWithoutOwnUse(
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  shapeOf: (ref: string) => number[] | undefined,
): Set<string> {
  const wanted = new Set(outputs.map(nodeOf)); // with other uses than as a part
  const dissolved = new Set<string>();
  for (const node of [...nodes].reverse()) {
    const start = first.get(node.op) ?? Number.POSITIVE_INFINITY;
    const isSum = node.op === 'AddV2' && node.inputs.every((ref) => `${shapeOf(ref)}` === `${shapeOf(node.name)}`);
    if (isSum && !wanted.has(node.name)) dissolved.add(node.name);
    else for (const ref of node.inputs.slice(0, start)) wanted.add(nodeOf(ref));
  }
  return dissolved;
}

/** Values of an integer constant; undefined for other nodes. */
function constant(node: GraphNode | undefined): number[] | undefined {
  const value = node?.attrs.value;
  if (node?.op !== 'Const' || typeof value !== 'object' || !('tensor' in value)) return undefined;
  const { values, shape } = value.tensor;
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => values[values.length === 1 ? 0 : i]);
}
