/**
 * format=torch: a state dict under the reference's names, complete for `load_state_dict`, that `torch.load(path,
 * weights_only=True)` reads. The description travels as attributes of the dict: `state.names`, `state.yaml`. In Python:
 *
 *   state = torch.load('best.pt', weights_only=True)
 *   model.load_state_dict(state)
 *
 * What the file cannot be is a checkpoint of ultralytics as `YOLO('best.pt')` takes it: that holds Python objects, which run
 * code when they are read. README says how to come from one to the other.
 */

import type { Checkpoint } from '../core/types.js';
import { floatToHalf } from '../io/half.js';
import { PyDict } from '../io/pickle.js';
import type { StoredTensor } from '../io/safetensors.js';
import { openTorchFile } from '../io/torch-pt.js';
import { writeStateDict } from '../io/torch-write.js';
import { REG_MAX } from '../nn/head.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import type { WeightsOptions } from './safetensors.js';
import { storedWeights } from './stored-weights.js';

/** Attribute of the dict by which an export is told from a checkpoint that somebody keeps. */
const MARK = 'exported_by';

/** @param names of all classes */
export function writeTorch(
  path: string,
  spec: ModelSpec,
  checkpoint: Checkpoint,
  names: readonly string[],
  { half, version }: WeightsOptions,
): void {
  const tensors = storedWeights(checkpoint, half);
  writeStateDict(path, [...tensors, ...absent(spec, tensors, half)], {
    names: new Map(names.map((name, i) => [i, name])),
    yaml: spec.yaml,
    train_args: checkpoint.trainArgs ?? null,
    info: checkpoint.info,
    [MARK]: `yolov8-tfjs ${version}`,
  });
}

/**
 * What a state dict of the reference has besides weights: the fixed kernel that takes the mean of the distribution (0 to 15),
 * and a counter of batches for each BatchNorm, of which those trained here keep none.
 */
function absent(
  { head }: ModelSpec,
  tensors: readonly (readonly [string, StoredTensor])[],
  half: boolean,
): [string, StoredTensor][] {
  const there = new Set(tensors.map(([name]) => name));
  const out: [string, StoredTensor][] = [...there]
    .filter((name) => name.endsWith('.bn.running_var'))
    .map((name) => name.replace(/running_var$/, 'num_batches_tracked'))
    .filter((name) => !there.has(name))
    .map((name) => [name, { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) }]);
  const dfl = `model.${head.index}.dfl.conv.weight`;
  if (there.has(dfl)) return out;
  const kernel = Float32Array.from({ length: REG_MAX }, (_, i) => i);
  out.push([
    dfl,
    { dtype: half ? 'F16' : 'F32', shape: [1, REG_MAX, 1, 1], data: half ? floatToHalf(kernel) : kernel },
  ]);
  return out;
}

/** Whether `writeTorch` wrote this file. */
export function isExportedTorch(path: string): boolean {
  try {
    const { root, close } = openTorchFile(path);
    close();
    return root instanceof PyDict && root.attributes.has(MARK);
  } catch {
    return false;
  }
}
