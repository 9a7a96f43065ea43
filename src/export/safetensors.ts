/**
 * format=safetensors: the weights alone (of a checkpoint of training: its EMA weights), under the names and in the layout of
 * the checkpoint (unfolded, OIHW), with class names, description of the network and training arguments as JSON in the
 * metadata. In Python:
 *   from safetensors.torch import load_file
 *   model.load_state_dict(load_file('yolov8n.safetensors'), strict=False)   # strict: what PyTorch alone keeps may be absent
 */
import type { Checkpoint } from '../core/types.js';
import { openSafetensors, writeSafetensors } from '../io/safetensors.js';
import { checkpointMetadata } from '../nn/weights.js';
import { storedWeights } from './stored-weights.js';

/** Key of the metadata by which an export is told from a checkpoint that somebody keeps. */
const MARK = 'exported_by';

export interface WeightsOptions {
  /** 16 bits a number. */
  half: boolean;
  /** Of this package. */
  version: string;
}

export function writeWeights(path: string, checkpoint: Checkpoint, { half, version }: WeightsOptions): void {
  const metadata = { ...checkpointMetadata(checkpoint), [MARK]: `yolov8-tfjs ${version}` };
  writeSafetensors(path, storedWeights(checkpoint, half), metadata);
}

/** Whether `writeWeights` wrote this file. */
export function isExportedWeights(path: string): boolean {
  try {
    const { metadata, close } = openSafetensors(path);
    close();
    return metadata[MARK] !== undefined;
  } catch {
    return false;
  }
}
