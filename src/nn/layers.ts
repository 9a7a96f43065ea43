/** Evaluation of a network's layers by an interpreter of the operations. */
import type { ModelSpec } from './model-yaml.js';
import type { HeadValues } from './modules/module.js';
import { headNamed, moduleNamed } from './modules/registry.js';
import type { Ops } from './ops.js';

/**
 * @param ops interpreter
 * @param tap called with the output of every layer except the head
 * @returns outputs of the head
 */
export function runLayers<V>(
  { layers, head }: ModelSpec,
  ops: Ops<V>,
  image: V,
  tap?: (index: number, output: V) => void,
): HeadValues<V> {
  const outputs: V[] = [];
  const inputsOf = (inputs: number[]) => inputs.map((i) => (i < 0 ? image : outputs[i]));
  for (const { index, module, name, inputs, args } of layers.slice(0, -1)) {
    ops.begin(index);
    outputs.push(moduleNamed(module).run(ops, inputsOf(inputs), name, args));
    tap?.(index, outputs[index]);
  }
  ops.begin(head.index);
  return headNamed(head.module).run(ops, inputsOf(head.inputs), head.name, head.args);
}
