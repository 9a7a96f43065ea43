/**
 * Transfer of weights to another network for fine-tuning. Weights with the same name and shape are copied. If the number of
 * classes differs, the last convolutions of the class branch are newly initialized, except the rows of classes that both have.
 */
import type { Checkpoint, NamedArray } from '../core/types.js';
import { fileShape, fromFile, toFile } from './layout.js';
import type { Network } from './model.js';
import type { Arrays, ParameterSpec } from './parameters.js';

/** How classes are matched. */
export interface TransferOptions {
  /** Class names of the new network. */
  names: readonly string[];
  /** Copy the rows of classes with the same name. */
  clsRemap: boolean;
}

/** Result of a transfer. */
export interface Transferred {
  /** All parameters of the network, transferred or unchanged. */
  params: Arrays;
  /** Items transferred, counted as in a PyTorch state dict (with the counter of each BatchNorm and the DFL kernel). */
  transferred: number;
  /** All items, counted in the same way. */
  total: number;
}

/**
 * @param source weights to be transferred
 * @param params initial parameters of the network (`network.init`)
 */
export function transferWeights(
  source: Checkpoint,
  network: Network,
  params: Arrays,
  { names, clsRemap }: TransferOptions,
): Transferred {
  const { weights } = source;
  const { parameters, spec } = network;
  const rows = clsRemap ? matchingClasses(source.names, names) : [];
  const out = { ...params };
  const same: ParameterSpec[] = [];
  for (const parameter of parameters) {
    const { name, shape } = parameter;
    const from = weights.get(name);
    const fits = from?.shape.join() === fileShape(shape).join();
    if (fits) same.push(parameter);
    const ofClasses = name.startsWith(`model.${spec.head.index}.cv3.`) && /\.2\.(weight|bias)$/.test(name);
    const taken = from && ofClasses && rows.length ? withRows(toFile(params[name]), from, rows) : from;
    if (taken === undefined || !(fits || taken !== from)) continue;
    out[name] = fromFile(taken);
  }
  const norms = (list: readonly ParameterSpec[]) => list.filter(({ kind }) => kind === 'mean').length;
  const dfl = weights.has(`model.${spec.head.index}.cv2.0.2.weight`) ? 1 : 0;
  return {
    params: out,
    transferred: same.length + norms(same) + dfl,
    total: parameters.length + norms(parameters) + 1,
  };
}

/**
 * @returns rows of classes with the same name (case-insensitive) in the source and the new network; empty if there are none,
 *   or if all names are the same in the same order
 */
function matchingClasses(source: readonly string[], target: readonly string[]): [from: number, to: number][] {
  const key = (name: string) => name.trim().toLowerCase();
  const rowOf = new Map(source.map((name, i) => [key(name), i]));
  const pairs = target.flatMap((name, to): [number, number][] => {
    const from = rowOf.get(key(name));
    return from === undefined ? [] : [[from, to]];
  });
  const identical =
    source.length === target.length && pairs.length === target.length && pairs.every(([from, to]) => from === to);
  return identical ? [] : pairs;
}

/** @returns a copy of `fresh` with these rows of `source`; `source` itself if its rows have another length */
function withRows(fresh: NamedArray, source: NamedArray, rows: [from: number, to: number][]): NamedArray {
  const { shape } = fresh;
  const data = fresh.data.slice();
  const size = data.length / shape[0];
  if (size !== source.data.length / source.shape[0]) return source;
  for (const [from, to] of rows) data.set(source.data.subarray(from * size, (from + 1) * size), to * size);
  return { shape, data };
}
