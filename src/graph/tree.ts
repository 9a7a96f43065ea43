/** Nested records and lists of tensors or other leaves: flattening to a list with paths, and the inverse. */
import * as tf from '@tensorflow/tfjs-core';

/** A leaf, or a record or list of trees. */
export type Tree<T> = T | { [key: string]: Tree<T> } | Tree<T>[];

/** @returns leaves in order with their paths: keys joined by '/', '' for a single leaf @throws Error for other values */
export function flatten<T>(tree: Tree<T>, isLeaf: (x: unknown) => x is T, path = ''): [string, T][] {
  if (isLeaf(tree)) return [[path, tree]];
  if (typeof tree !== 'object' || tree === null) {
    throw new Error(`expected a tensor or a record or list of them${path && ` at '${path}'`}, got ${String(tree)}`);
  }
  return Object.entries(tree as Record<string, Tree<T>>).flatMap(([key, branch]) =>
    flatten(branch, isLeaf, path ? `${path}/${key}` : key),
  );
}

/** @param leaves in the order of `flatten` @returns a tree of the same structure with these leaves */
export function unflatten<T, U>(tree: Tree<T>, isLeaf: (x: unknown) => x is T, leaves: readonly U[]): Tree<U> {
  let next = 0;
  const build = (branch: Tree<T>): Tree<U> => {
    if (isLeaf(branch)) return leaves[next++];
    if (Array.isArray(branch)) return branch.map(build);
    return Object.fromEntries(Object.entries(branch as Record<string, Tree<T>>).map(([key, b]) => [key, build(b)]));
  };
  return build(tree);
}

/** Whether a value is a tensor of tfjs. */
export function isTensor(x: unknown): x is tf.Tensor {
  return x instanceof tf.Tensor;
}
