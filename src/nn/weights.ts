/**
 * Reading and writing of checkpoints. The format is recognized by content, not by name: a zip file is a PyTorch checkpoint, a
 * header length and a JSON header are safetensors. Only safetensors are written, with the rest of the checkpoint as JSON in
 * the metadata.
 */
import { messageOf, UserError } from '../core/errors.js';
import type { Checkpoint, NamedArray } from '../core/types.js';
import { fetchModel, findModelFile } from '../io/model-files.js';
import {
  looksLikeSafetensors,
  openSafetensors,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from '../io/safetensors.js';
import { headOf, kindOf } from '../io/torch-pt.js';
import { lazyFloats, unheldFloats } from '../io/typed.js';
import { looksLikeZip } from '../io/zip.js';
import { cleanWeightNames } from './checkpoint-yaml.js';
import { readTorchCheckpoint } from './yolo-pt.js';

export { specOf } from './checkpoint-yaml.js';

/**
 * Reads a checkpoint: `.pt` of ultralytics (a whole checkpoint, a module, or a state dict) or safetensors.
 * @param path of an existing file; see resolveModelPath for names
 * @throws UserError 'missing-file', 'bad-checkpoint', 'bad-safetensors', 'bad-zip' or 'bad-pickle' if it is damaged,
 *   'unsafe-pickle', 'wrong-model' if it is not a detection model of YOLOv8 or YOLO11
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  return nonEmpty(path, isSafetensors(path) ? fromSafetensors(path) : readTorchCheckpoint(path));
}

/** By content; if that is not recognized, by name, so that the error is about the right format. */
function isSafetensors(path: string): boolean {
  const head = headOf(path);
  if (looksLikeSafetensors(head)) return true;
  return /\.safetensors$/i.test(path) && !looksLikeZip(head) && kindOf(head) === undefined;
}

/** A checkpoint whose file may be open. */
export interface OpenCheckpoint extends Checkpoint {
  /** Closes the file; weights can no longer be accessed. */
  close(): void;
}

/**
 * Reads a checkpoint with little memory, for sequential use: weights are read, or converted to float32, at each access.
 * Those of a `.pt` are kept in the precision of the file.
 * @throws UserError as loadCheckpoint
 */
export async function openCheckpoint(path: string): Promise<OpenCheckpoint> {
  if (!isSafetensors(path)) return { ...nonEmpty(path, readTorchCheckpoint(path, { held: false })), close: () => {} };
  const { tensors, metadata, close } = openSafetensors(path);
  const weights = new Map<string, NamedArray>();
  const counters = new Map<string, number>();
  try {
    for (const [name, { dtype, shape, read }] of tensors) {
      if (isCounter(name)) counters.set(name, Number(read()[0] ?? 0));
      else if (!isTraining(name)) weights.set(name, unheldFloats(shape, dtype, read));
    }
    return { ...nonEmpty(path, withMetadata(path, { weights, counters }, metadata)), close };
  } catch (error) {
    close();
    throw error;
  }
}

function nonEmpty(path: string, checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.weights.size === 0)
    throw new UserError('bad-checkpoint', `${path} contains no weights`, 'give a checkpoint of YOLOv8 or YOLO11');
  return checkpoint;
}

/**
 * Finds a model file by path, name or URL; a released model (`yolov8n.pt`, `yolo11x.pt`) is downloaded if necessary.
 * @returns its path
 * @throws UserError 'missing-file'; 'no-network' if a released model cannot be downloaded, with where to put the file
 */
export async function resolveModelPath(name: string): Promise<string> {
  return findModelFile(name) ?? (await fetchModel(name));
}

/** Writes a checkpoint as safetensors, atomically. @throws UserError 'cannot-write' */
export function saveCheckpoint(path: string, checkpoint: Checkpoint): void {
  const tensors = [...checkpoint.weights].map(([name, array]): [string, StoredTensor] => [
    name,
    {
      dtype: 'F32',
      shape: array.shape,
      get data() {
        return array.data as Float32Array<ArrayBuffer>;
      },
    },
  ]);
  writeSafetensors(path, tensors, checkpointMetadata(checkpoint));
}

/** Metadata of a safetensors file: everything of a checkpoint except the weights. */
export function checkpointMetadata({
  names,
  yaml,
  trainArgs,
  info,
}: Omit<Checkpoint, 'weights'>): Record<string, string> {
  return {
    format: 'pt',
    names: JSON.stringify(names),
    info: JSON.stringify(info),
    ...(yaml ? { yaml: JSON.stringify(yaml) } : {}),
    ...(trainArgs ? { trainArgs: JSON.stringify(trainArgs) } : {}),
  };
}

/** Reads safetensors of this project or of other programs. */
function fromSafetensors(path: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(path, { only: (name) => !isTraining(name) });
  const weights = new Map<string, NamedArray>();
  const counters = new Map<string, number>();
  for (const [name, { dtype, shape, data }] of tensors) {
    if (isCounter(name)) counters.set(name, Number(data[0] ?? 0));
    else weights.set(name, lazyFloats(shape, dtype, data));
  }
  return withMetadata(path, { weights, counters }, metadata);
}

/** Whether a tensor is state of a training run. */
function isTraining(name: string): boolean {
  return name.startsWith('train/');
}

/** Whether a tensor is a counter of PyTorch's BatchNorm. */
function isCounter(name: string): boolean {
  return !isTraining(name) && name.endsWith('num_batches_tracked');
}

function withMetadata(
  path: string,
  { weights, counters }: Required<Pick<Checkpoint, 'weights' | 'counters'>>,
  metadata: Record<string, string>,
): Checkpoint {
  const names = parse(path, metadata, 'names') ?? [];
  const list = Array.isArray(names) ? names : Object.values(names as object);
  const yaml = parse(path, metadata, 'yaml');
  const trainArgs = parse(path, metadata, 'trainArgs');
  const info = (parse(path, metadata, 'info') ?? {}) as Record<string, unknown>;
  return {
    weights: cleanWeightNames(weights),
    counters: cleanWeightNames(counters),
    names: list.map(String),
    yaml: yaml as Record<string, unknown> | undefined,
    trainArgs: trainArgs as Record<string, unknown> | undefined,
    info,
  };
}

/** An object or a list of the metadata. @throws UserError 'bad-checkpoint' if it is something else */
function parse(path: string, metadata: Record<string, string>, key: string): unknown {
  const text = metadata[key];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw new UserError('bad-checkpoint', `${path}: '${key}' in its metadata is not JSON (${messageOf(error)})`);
  }
  throw new UserError('bad-checkpoint', `${path}: '${key}' in its metadata should be an object or a list`);
}
