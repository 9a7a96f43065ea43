/**
 * Model files in and out. What a file is, its content says, not its name: a zip is a PyTorch checkpoint, a length and a JSON
 * header are safetensors. Written is safetensors alone, with everything else of the checkpoint as JSON in the metadata.
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
 * @param path a file that is there; see resolveModelPath for names
 * @throws UserError when it is missing, damaged, unsafe, or no detection model of YOLOv8 or YOLO11
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  return nonEmpty(path, isSafetensors(path) ? fromSafetensors(path) : readTorchCheckpoint(path));
}

/** By its content; a file of which that says nothing is what its name says, so that what is damaged about it can be told. */
function isSafetensors(path: string): boolean {
  const head = headOf(path);
  if (looksLikeSafetensors(head)) return true;
  return /\.safetensors$/i.test(path) && !looksLikeZip(head) && kindOf(head) === undefined;
}

/** A checkpoint whose file may be open. */
export interface OpenCheckpoint extends Checkpoint {
  /** Afterwards weights can no longer be asked for. */
  close(): void;
}

/**
 * The same for those who take one weight after the other and none twice at a time: numbers are read, or widened to float32,
 * each time they are asked for. A `.pt` is held in the precision of the file.
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
    throw new UserError('bad-checkpoint', `${path} holds no weights`, 'give a checkpoint of YOLOv8 or YOLO11');
  return checkpoint;
}

/**
 * Where the file of this name is; a released model that is nowhere (`yolov8n.pt`, `yolo11x.pt`) is fetched.
 * @throws UserError 'missing-file' (any other name), 'no-network' (says where to put the file)
 */
export async function resolveModelPath(name: string): Promise<string> {
  return findModelFile(name) ?? (await fetchModel(name));
}

/** Writes a checkpoint as safetensors, whole or not at all. @throws UserError 'cannot-write' */
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

/** Everything of a checkpoint but its weights, as a safetensors file holds it. */
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

/** A file of this project, or anybody's safetensors of such weights. */
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

/** Of the state of a training run. */
function isTraining(name: string): boolean {
  return name.startsWith('train/');
}

/** Of PyTorch's counters. */
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

/** A JSON value of the metadata. */
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
