/**
 * format=safetensors: the weights alone, under the names and in the layout of the checkpoint (unfolded, OIHW), with class
 * names, description of the network and training arguments as JSON in the metadata. In Python:
 *   from safetensors.torch import load_file
 *   model.load_state_dict(load_file('yolov8n.safetensors'), strict=False)   # strict: num_batches_tracked is not written
 */
import type { Checkpoint } from '../core/types.js';
import { floatToHalf } from '../io/half.js';
import { type StoredTensor, writeSafetensors } from '../io/safetensors.js';
import type { RawArray } from '../io/typed.js';
import { checkpointMetadata, saveCheckpoint } from '../nn/weights.js';

/** @param half halves the size; running variances keep 32 bits where 16 would make them 0 or infinite */
export function writeWeights(path: string, checkpoint: Checkpoint, half: boolean): void {
  if (!half) {
    saveCheckpoint(path, checkpoint);
    return;
  }
  const tensors = [...checkpoint.weights].map(([name, array]): [string, StoredTensor] => {
    const fits = array.data.every(
      (x) => Math.abs(x) < 65504 && (x === 0 || Math.abs(x) > 6.2e-5 || !name.endsWith('running_var')),
    );
    return [
      name,
      {
        dtype: fits ? 'F16' : 'F32',
        shape: array.shape,
        get data() {
          return (fits ? floatToHalf(array.data) : array.data) as RawArray;
        },
      },
    ];
  });
  writeSafetensors(path, tensors, checkpointMetadata(checkpoint));
}
