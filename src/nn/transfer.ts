/**
 * Starts a network from the weights of another: fine-tuning. What has the same name and shape is taken; the last
 * convolutions of the class branch are new when the class count differs, but for the rows of classes that both know.
 */
import type { Checkpoint, NamedArray } from '../core/types.js';
import { fileShape, fromFile, toFile } from './layout.js';
import type { Network } from './model.js';
import type { Arrays, ParameterSpec } from './parameters.js';

export interface TransferOptions {
  /** Class names of the new network; with `clsRemap` the rows of classes with the same name are copied. */
  names: readonly string[];
  clsRemap: boolean;
}

export interface Transferred {
  /** All parameters of the network: those of the source, the others as they were. */
  params: Arrays;
  /** Items taken over and in all, counted as a PyTorch state dict has them (with each BatchNorm's counter and the DFL kernel). */
  transferred: number;
  total: number;
}

/**
 * @param params fresh parameters of the network (`network.init`)
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
 * Where classes of the source stand in the new network: pairs of rows of those with the same name, letters' case aside.
 * Empty when there are none, or when all names are the same in the same order.
 */
function matchingClasses(source: readonly string[], target: readonly string[]): [from: number, to: number][] {
  const key = (name: string) => name.trim().toLowerCase();
  const places = new Map(source.map((name, i) => [key(name), i]));
  const pairs = target.flatMap((name, to): [number, number][] => {
    const from = places.get(key(name));
    return from === undefined ? [] : [[from, to]];
  });
  const asIs =
    source.length === target.length && pairs.length === target.length && pairs.every(([from, to]) => from === to);
  return asIs ? [] : pairs;
}

/** `fresh` with these rows of `source` copied over its own; the source's when a row has another length. */
function withRows(fresh: NamedArray, source: NamedArray, rows: [from: number, to: number][]): NamedArray {
  const { shape } = fresh;
  const data = fresh.data.slice();
  const size = data.length / shape[0];
  if (size !== source.data.length / source.shape[0]) return source;
  for (const [from, to] of rows) data.set(source.data.subarray(from * size, (from + 1) * size), to * size);
  return { shape, data };
}
