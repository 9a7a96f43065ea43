/**
 * Sums and pieces of gradients that an op can take apart by itself. A gradient that arrives from several places is the sum
 * of theirs, and one that comes back through a concatenation is a piece of it; both cost passes over memory. An op that
 * adds up its parts while it reads them (attributes N, from, to, count: channels [from, from + count) of a part go to
 * channels [to, to + count)) is handed the summands and the uncut tensor instead.
 */
import type { GraphNode } from './graph.js';
import { nodeOf } from './prune.js';

/** Index of an op's first part among its inputs. */
const first = new Map<string, number>();
/** What the kernels can add up at one place. */
const MAX_PARTS = 8;

interface Part {
  ref: string;
  from: number;
  to: number;
  count: number;
}

/** Says that `op` adds up its parts: all inputs from index `start` on. */
export function addsUp(op: string, start: number): void {
  first.set(op, start);
}

/**
 * @param nodes in order, without any that nobody needs
 * @param outputs nodes whose value is wanted
 * @param shapeOf shape of an output of a node
 * @returns the same graph; what is no longer needed is still in it
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
    // one that covers everything comes first: the result may be written over it
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

/** Names of sums of equal shapes that only serve as parts, or as summands of such. */
function sumsWithoutOwnUse(
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  shapeOf: (ref: string) => number[] | undefined,
): Set<string> {
  const wanted = new Set(outputs.map(nodeOf)); // for something else than a part
  const dissolved = new Set<string>();
  for (const node of [...nodes].reverse()) {
    const start = first.get(node.op) ?? Number.POSITIVE_INFINITY;
    const isSum = node.op === 'AddV2' && node.inputs.every((ref) => `${shapeOf(ref)}` === `${shapeOf(node.name)}`);
    if (isSum && !wanted.has(node.name)) dissolved.add(node.name);
    else for (const ref of node.inputs.slice(0, start)) wanted.add(nodeOf(ref));
  }
  return dissolved;
}

/** Values of a constant of integers. */
function constant(node: GraphNode | undefined): number[] | undefined {
  const value = node?.attrs.value;
  if (node?.op !== 'Const' || typeof value !== 'object' || !('tensor' in value)) return undefined;
  const { values, shape } = value.tensor;
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => values[values.length === 1 ? 0 : i]);
}
