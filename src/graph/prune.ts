/** Removal of unused nodes, of which automatic differentiation leaves many. */
import type { GraphNode } from './graph.js';

/** @returns the nodes on which those in `keep` depend, in the same order */
export function pruned(nodes: readonly GraphNode[], keep: readonly string[]): GraphNode[] {
  const needed = new Set(keep);
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!needed.has(nodes[i].name)) continue;
    for (const input of nodes[i].inputs) needed.add(nodeOf(input));
  }
  return nodes.filter((node) => needed.has(node.name));
}

/** Name of the node of a reference to an output: 'Split_3:1' → 'Split_3'. */
export function nodeOf(ref: string): string {
  const colon = ref.indexOf(':');
  return colon < 0 ? ref : ref.slice(0, colon);
}
