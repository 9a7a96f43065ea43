/**
 * What becomes of a graph on a GPU, by the kernels that TensorFlow has for it: which nodes would fall back to the CPU, and
 * which values leave the device while the graph runs, each of them a copy that the CPU and the GPU wait for.
 */
import type { AttrValue, ElementType, GraphNode } from '../../src/graph/graph.js';
import type { Kernel, OpArgument, Registry } from './registry.js';

export interface Placement {
  /** Nodes with a kernel for the GPU. */
  placed: number;
  /** Nodes without one: op and element types, with how many there are. */
  missing: Record<string, number>;
  /** Values that are computed on the device and read on the host: 'producer → consumer.argument', with how many. */
  leaving: Record<string, number>;
}

/** @throws when the registry does not know an op at all */
export function placeOnGpu(nodes: readonly GraphNode[], registry: Registry): Placement {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const kernels = new Map(nodes.map((node) => [node.name, gpuKernel(node, registry)]));
  const result: Placement = { placed: 0, missing: {}, leaving: {} };
  for (const node of nodes) {
    const kernel = kernels.get(node.name);
    if (!kernel) {
      count(result.missing, describe(node));
      continue;
    }
    result.placed++;
    const names = argumentNames(node, registry.ops[node.op].inputs);
    node.inputs.forEach((ref, i) => {
      if (ref.startsWith('^') || !kernel.host.includes(names[i])) return;
      const [name, port = '0'] = ref.split(':');
      const source = byName.get(name)!;
      const from = kernels.get(name);
      const output = argumentNames(source, registry.ops[source.op].outputs)[Number(port)];
      if (from && !from.host.includes(output)) {
        count(result.leaving, `${describe(source)} → ${describe(node)}.${names[i]}`);
      }
    });
  }
  return result;
}

/** The kernel that TensorFlow would choose; undefined where it has none. */
function gpuKernel(node: GraphNode, registry: Registry): Kernel | undefined {
  const definition = registry.ops[node.op];
  if (!definition) throw new Error(`the registry knows no op ${node.op}`);
  const typeOf = (name: string): ElementType | undefined => typeIn(node.attrs[name]) ?? definition.defaults[name];
  const fits = ({ types }: Kernel): boolean =>
    Object.entries(types).every(([name, allowed]) => allowed.includes(typeOf(name) as ElementType));
  const fitting = (registry.kernels[node.op] ?? []).filter(fits);
  for (const device of ['GPU', 'DEFAULT']) {
    const best = fitting.filter((kernel) => kernel.device === device).sort((a, b) => b.priority - a.priority)[0];
    if (best) return best;
  }
  return undefined;
}

function typeIn(value: AttrValue | undefined): ElementType | undefined {
  return typeof value === 'object' && 'type' in value ? value.type : undefined;
}

/** Name of the argument of each input or output. */
function argumentNames(node: GraphNode, list: readonly OpArgument[]): string[] {
  return list.flatMap(({ name, count: attribute }) => {
    const times = attribute === undefined ? 1 : Number(node.attrs[attribute]);
    return Array<string>(times).fill(name);
  });
}

/** 'TopKV2 T=float32 Tk=int32' */
function describe({ op, attrs }: GraphNode): string {
  const types = Object.entries(attrs).map(([name, value]) => [name, typeIn(value)] as const);
  const known = types.filter(([, type]) => type !== undefined).map(([name, type]) => `${name}=${type}`);
  return [op, ...known.sort()].join(' ');
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
