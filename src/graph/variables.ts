/**
 * State of a session: resource variables, shared by name among the graphs of the session. Graphs are traced as functions
 * from old to new state and rewritten: inputs are read from variables, results are assigned to them.
 *
 * The assignments of a run are atomic: they wait for all new values, so that a run that fails has assigned nothing, and for
 * an optional condition.
 */
import type { GraphNode } from './graph.js';
import { type HostTensor, valuesOf } from './host-tensor.js';
import type { Plan, Session } from './session.js';

const FLOAT = { type: 'float32' } as const;
const BOOL = { type: 'bool' } as const;

/** A float32 variable. */
export interface Variable {
  name: string;
  shape: number[];
}

/** Reference to an output of a node: 'node', 'node:1'. */
type Ref = string;

/** VarHandleOp of a variable. @param node name of the node */
export function handle(node: string, { name, shape }: Variable): GraphNode {
  return {
    name: node,
    op: 'VarHandleOp',
    inputs: [],
    attrs: { dtype: FLOAT, shape: { shape }, container: '', shared_name: name },
  };
}

/** ReadVariableOp. @param node name of the node */
export function read(node: string, handleNode: string): GraphNode {
  return { name: node, op: 'ReadVariableOp', inputs: [handleNode], attrs: { dtype: FLOAT } };
}

function assign(node: string, handleNode: string, value: Ref, after: readonly string[]): GraphNode {
  const controls = after.map((name) => `^${name}`);
  return {
    name: node,
    op: 'AssignVariableOp',
    inputs: [handleNode, value, ...controls],
    attrs: { dtype: FLOAT, validate_shape: true },
  };
}

/**
 * Replaces placeholders by variables.
 * @param nodes of a traced graph
 * @param bindings variables by the name of the placeholder
 * @returns the graph in which reads of the variables replace the placeholders
 * @throws Error when there is no such placeholder, or its type or shape differs
 */
export function bindVariables(nodes: readonly GraphNode[], bindings: ReadonlyMap<string, Variable>): GraphNode[] {
  const unbound = new Set(bindings.keys());
  const bound = nodes.flatMap((node) => {
    const variable = bindings.get(node.name);
    if (!variable) return [node];
    unbound.delete(node.name);
    verifyPlaceholder(node, variable);
    // The ReadVariableOp has the placeholder's name, so that its consumers are unchanged.
    const handleNode = `${node.name}/handle`;
    return [handle(handleNode, variable), read(node.name, handleNode)];
  });
  if (unbound.size > 0) throw new Error(`the graph has no placeholder ${[...unbound].join()}`);
  return bound;
}

function verifyPlaceholder({ name, op, attrs }: GraphNode, variable: Variable): void {
  const { shape, dtype } = attrs as { shape?: { shape: number[] }; dtype?: { type: string } };
  const [has, wanted] = [`${dtype?.type} [${shape?.shape}]`, `float32 [${variable.shape}]`];
  if (op === 'Placeholder' && has === wanted) return;
  throw new Error(`variable '${variable.name}', ${wanted}, can't stand for ${name}: ${op}, ${has}`);
}

/** An assignment of a new value to a variable. */
export interface Assignment {
  variable: Variable;
  /** Undefined: zeros. */
  value?: Ref;
}

/**
 * Nodes that assign new values to variables. All values are computed before the first assignment.
 * @param name of the target node that runs all assignments, and prefix of the other nodes
 * @param condition scalar bool: if false, nothing is assigned
 * @param after nodes that must run before: those that read variables which are set to zero, and fetches of the plan on
 *   which none of the values depends
 * @throws Error when a variable is assigned twice
 */
export function assignments(
  name: string,
  updates: readonly Assignment[],
  { condition, after = [] }: { condition?: Ref; after?: readonly string[] } = {},
): GraphNode[] {
  const twice = updates.find(
    ({ variable }, i) => updates.findIndex((other) => other.variable.name === variable.name) < i,
  );
  if (twice) throw new Error(`variable '${twice.variable.name}' is assigned twice`);
  const values = updates.flatMap(({ value }) => (value === undefined ? [] : [nodeOf(value)]));
  const barrier = `${name}/barrier`;
  const waits = [...new Set([...values, ...after.map(nodeOf)])].map((node) => `^${node}`);
  const nodes: GraphNode[] = [];
  if (condition === undefined) nodes.push({ name: barrier, op: 'NoOp', inputs: waits, attrs: {} });
  else {
    // Switch forwards its value to one of two outputs; the other one is dead, as are all nodes that depend on it.
    nodes.push(
      { name: `${name}/switch`, op: 'Switch', inputs: [condition, condition], attrs: { T: BOOL } },
      { name: barrier, op: 'Identity', inputs: [`${name}/switch:1`, ...waits], attrs: { T: BOOL } },
    );
  }
  const done = updates.map(({ variable, value }, i) => {
    const node = `${name}/${i}`;
    const source = value ?? `${node}/zeros`;
    if (value === undefined) nodes.push(...zeros(source, variable.shape));
    nodes.push(handle(`${node}/handle`, variable), assign(node, `${node}/handle`, source, [barrier]));
    return node;
  });
  // If the condition is false, this node is dead, like the assignments that it depends on; a target may be dead.
  nodes.push({ name, op: 'NoOp', inputs: done.map((node) => `^${node}`), attrs: {} });
  return nodes;
}

function zeros(name: string, shape: number[]): GraphNode[] {
  const dims = { tensor: { dtype: 'int32' as const, shape: [shape.length], values: Int32Array.from(shape) } };
  const zero = { tensor: { dtype: 'float32' as const, shape: [], values: Float32Array.of(0) } };
  const int32 = { type: 'int32' } as const;
  return [
    { name: `${name}/dims`, op: 'Const', inputs: [], attrs: { dtype: int32, value: dims } },
    { name: `${name}/zero`, op: 'Const', inputs: [], attrs: { dtype: FLOAT, value: zero } },
    { name, op: 'Fill', inputs: [`${name}/dims`, `${name}/zero`], attrs: { T: FLOAT, index_type: int32 } },
  ];
}

const nodeOf = (ref: Ref): string => ref.replace(/:\d+$/, '');

/** Reads and writes variables of a session. */
export class Variables {
  private readonly setAll: Plan;
  private readonly readers = new Map<string, Plan>();

  /** Adds a graph to the session. @param prefix of its nodes */
  constructor(
    private readonly session: Session,
    readonly all: readonly Variable[],
    private readonly prefix = 'variables',
  ) {
    const nodes = all.flatMap((variable): GraphNode[] => {
      const { name, shape } = variable;
      return [
        handle(`handle/${name}`, variable),
        read(`read/${name}`, `handle/${name}`),
        { name: `value/${name}`, op: 'Placeholder', inputs: [], attrs: { dtype: FLOAT, shape: { shape } } },
        assign(`set/${name}`, `handle/${name}`, `value/${name}`, []),
      ];
    });
    session.add(nodes, { prefix });
    const named = (part: string) => all.map(({ name }) => `${prefix}/${part}/${name}`);
    this.setAll = session.plan({ name: 'variables', feeds: named('value'), targets: named('set') });
  }

  /** Sets all variables. @param valuesFor returns the new values of a variable */
  set(valuesFor: (variable: Variable) => Float32Array): void {
    this.setAll.run(
      this.all.map((variable): HostTensor => ({ dtype: 'float32', shape: variable.shape, data: valuesFor(variable) })),
    );
  }

  /** Reads variables. @param names default: all @returns copies of the values by name */
  read(names: readonly string[] = this.all.map(({ name }) => name)): Map<string, Float32Array> {
    const results = this.reader(names).run();
    return new Map(names.map((name, i) => [name, valuesOf(results[i], 'float32')]));
  }

  private reader(names: readonly string[]): Plan {
    const key = names.join('\n');
    const found = this.readers.get(key);
    if (found) return found;
    const plan = this.session.plan({ name: 'variables', fetches: names.map((name) => `${this.prefix}/read/${name}`) });
    this.readers.set(key, plan);
    return plan;
  }
}
