/**
 * The file of a part of a validation: what was predicted for some of the batches, exactly. It is in the safetensors format,
 * with N images in the order of evaluation, B batches and D detections of all images:
 *
 * | tensor       | type, shape | contents |
 * |--------------|-------------|----------|
 * | `images`     | I32 [N]     | index of each image in the dataset, whose images are sorted by path |
 * | `counts`     | I32 [N]     | number of detections of each image; −1: it could not be decoded |
 * | `detections` | F32 [D, 6]  | x1 y1 x2 y2 confidence class, pixels of the network's input, by descending confidence |
 * | `transforms` | F64 [N, 4]  | ratioX ratioY padX padY: input = image · ratio + padding |
 * | `batches`    | I32 [B]     | number of images of each batch |
 * | `losses`     | F64 [B, 3]  | box, class and DFL loss with gains; [0, 3] if the detector does not give them |
 * | `times`      | F64 [B, 3]  | milliseconds of preprocessing, inference and postprocessing |
 *
 * Its metadata: `format`, `version`, `shard` (`2/3`), `dataset` (number of images of the whole dataset) and `broken`, a JSON
 * list with the reason for each count of −1.
 */
import { DETECTION } from '../../core/boxes.js';
import { UserError } from '../../core/errors.js';
import { parseShard, type Shard, shardText } from '../../core/shard.js';
import { decodeSafetensors, encodeSafetensors, type Safetensors, type StoredTensor } from '../../io/safetensors.js';
import type { Dtype, RawArray } from '../../io/typed.js';

const FORMAT = 'yolov8-tfjs evaluation part';
const VERSION = '1';

/** The tensors of the file. */
export interface PartTensors {
  images: Int32Array<ArrayBuffer>;
  counts: Int32Array<ArrayBuffer>;
  detections: Float32Array<ArrayBuffer>;
  transforms: Float64Array<ArrayBuffer>;
  batches: Int32Array<ArrayBuffer>;
  losses: Float64Array<ArrayBuffer>;
  times: Float64Array<ArrayBuffer>;
}

/** Types of the tensors, and their columns; without columns they have one dimension. */
const TENSORS: Record<keyof PartTensors, readonly [dtype: Dtype, columns?: number]> = {
  images: ['I32'],
  counts: ['I32'],
  detections: ['F32', DETECTION],
  transforms: ['F64', 4],
  batches: ['I32'],
  losses: ['F64', 3],
  times: ['F64', 3],
};
const NAMES = Object.keys(TENSORS) as (keyof PartTensors)[];

/** A part of a validation. */
export interface Part {
  shard: Shard;
  /** Number of images of the whole dataset. */
  dataset: number;
  tensors: PartTensors;
  /** The reason for each count of −1. */
  broken: string[];
}

/** The bytes of the file. */
export function encodePart({ shard, dataset, tensors, broken }: Part): Uint8Array {
  const stored = NAMES.map((name): [string, StoredTensor] => {
    const [dtype, columns] = TENSORS[name];
    const data = tensors[name];
    return [name, { dtype, shape: columns ? [data.length / columns, columns] : [data.length], data }];
  });
  return encodeSafetensors(stored, {
    format: FORMAT,
    version: VERSION,
    shard: shardText(shard),
    dataset: String(dataset),
    broken: JSON.stringify(broken),
  });
}

/** @throws UserError 'bad-part' when it is none, of another version, or inconsistent; 'bad-safetensors' */
export function decodePart(bytes: Uint8Array): Part {
  const { tensors, metadata } = decodeSafetensors(bytes, 'a part of an evaluation');
  if (metadata.format !== FORMAT) throw badPart('it has another format');
  if (metadata.version !== VERSION) throw badPart(`its format has version ${metadata.version}, not ${VERSION}`);
  const shard = parseShard(metadata.shard ?? '');
  const dataset = Number(metadata.dataset);
  const broken = listOf(metadata.broken);
  if (!shard || !Number.isSafeInteger(dataset) || !broken) throw badPart('its metadata are incomplete');
  const arrays = Object.fromEntries(NAMES.map((name) => [name, arrayOf(tensors, name)])) as unknown as PartTensors;
  if (!isConsistent(arrays, dataset, broken.length)) throw badPart('its tensors do not fit together');
  return { shard, dataset, tensors: arrays, broken };
}

function isConsistent(tensors: PartTensors, dataset: number, broken: number): boolean {
  const { images, counts, detections, transforms, batches, losses, times } = tensors;
  const sum = (array: Int32Array): number => array.reduce((total, n) => total + Math.max(0, n), 0);
  return (
    images.every((index) => index >= 0 && index < dataset) &&
    counts.length === images.length &&
    transforms.length === 4 * images.length &&
    sum(batches) === images.length &&
    times.length === 3 * batches.length &&
    (losses.length === 0 || losses.length === times.length) &&
    sum(counts) * DETECTION === detections.length &&
    counts.filter((n) => n < 0).length === broken
  );
}

function arrayOf(tensors: Safetensors['tensors'], name: keyof PartTensors): RawArray {
  const [dtype, columns] = TENSORS[name];
  const tensor = tensors.get(name);
  const { shape = [] } = tensor ?? {};
  if (tensor?.dtype === dtype && shape.length === (columns ? 2 : 1) && (!columns || shape[1] === columns))
    return tensor.data;
  throw badPart(`the tensor '${name}' is missing or has another type`);
}

function listOf(json = ''): string[] | undefined {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) && list.every((reason) => typeof reason === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

/** @param what is wrong with it */
export function badPart(what: string): UserError {
  const hint = 'evaluate all parts again, with the same version and dataset';
  return new UserError('bad-part', `the parts of an evaluation cannot be merged: ${what}`, hint, 1);
}
