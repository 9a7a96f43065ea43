/**
 * Reads files of `torch.save` (zip format, PyTorch 1.6 and later) without PyTorch: a zip file with `data.pkl`, a pickle in
 * which tensors are views (offset, shape, strides) of storages, and one entry of raw data per storage. A storage is read when
 * one of its tensors is; half-precision weights are converted to float32 when their data is accessed.
 * Format: PyTorch's notes "Serialization semantics" and the files themselves.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf, UserError } from '../core/errors.js';
import type { NamedArray } from '../core/types.js';
import { PyName, unpickle } from './pickle.js';
import { allowedName, type Storage, type TorchTensor } from './torch-names.js';
import { type Dtype, elementBytes, lazyFloats, type RawArray, rawArray, toFloats, unheldFloats } from './typed.js';
import { looksLikeZip, openZip, type Zip } from './zip.js';

/** Limit; the pickle of YOLOv8x has 0.3 MB. */
const MAX_PICKLE_BYTES = 64 << 20;
/** Limit of elements of a tensor; YOLOv8x has 68 million in all. */
const MAX_ELEMENTS = 2 ** 29;

/** An open file. */
export interface TorchFile {
  readonly path: string;
  /** The saved object: types as described in pickle.ts; tensors are TorchTensor. */
  readonly root: unknown;
  /** Reads a tensor; it is converted to float32 at the first access. @throws UserError 'bad-checkpoint', 'bad-zip' */
  read(tensor: TorchTensor): NamedArray;
  /** @returns the value of a tensor of one element, in double precision; undefined for other tensors */
  readScalar(tensor: TorchTensor): number | undefined;
  close(): void;
}

/** How data is kept. */
export interface TorchReading {
  /** Keep data after conversion to float32, instead of converting it at every access. Default: true. */
  held?: boolean;
}

/**
 * @throws UserError 'missing-file', 'bad-checkpoint' for other files, 'bad-zip' and 'bad-pickle' for damaged ones,
 *   'unsafe-pickle' if the pickle contains a name that is not allowed
 */
export function openTorchFile(path: string, { held = true }: TorchReading = {}): TorchFile {
  refuseOthers(path);
  const zip = openZip(path);
  try {
    const folder = findFolder(zip);
    const storages = new Storages(zip, folder);
    const root = unpickle(zip.read(zip.entries.get(`${folder}data.pkl`)!, MAX_PICKLE_BYTES), {
      where: path,
      allow: (name) => allowedName(name, path),
      persistent: (id) => storages.describe(id),
    });
    const floats = held ? lazyFloats : unheld;
    return {
      path,
      root,
      read: (tensor) => floats(tensor.shape, tensor.dtype, readTensor(path, tensor, storages)),
      readScalar: (tensor) => scalarOf(tensor, readTensor(path, tensor, storages)),
      close: () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** @returns the first bytes of a file @throws UserError 'missing-file' if it cannot be read */
export function headOf(path: string, bytes = 64): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(bytes);
      return head.subarray(0, readSync(fd, head, 0, bytes, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new UserError('missing-file', `cannot read ${path}: ${messageOf(error)}`, 'check the path');
  }
}

/** @throws UserError 'bad-checkpoint' for a file that is not a zip file, with what it is by its first bytes */
function refuseOthers(path: string): void {
  const head = headOf(path);
  if (looksLikeZip(head)) return;
  const [what, hint] = kindOf(head) ?? [
    'is not a checkpoint: neither a .pt of PyTorch nor safetensors',
    'give a .pt file of YOLOv8 or YOLO11, or a .safetensors file; the file may have been damaged in transit',
  ];
  throw new UserError('bad-checkpoint', `${path} ${what}`, hint);
}

/** Recognizes common kinds of files that are not checkpoints. @returns description and hint; undefined if not recognized */
export function kindOf(head: Buffer): [what: string, hint: string] | undefined {
  const text = head.toString('latin1');
  if (head.length === 0) return ['is empty', 'fetch or write it again'];
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    return ['is a web page, not a checkpoint', 'download the file itself, not the page that shows it'];
  if (text.startsWith('version https://git-lfs'))
    return ['is a Git LFS pointer, not the file itself', 'run git lfs pull'];
  if (head[0] === 0x80)
    return [
      'is in the format of PyTorch before 1.6 (a bare pickle), which is not supported',
      'with PyTorch, for weights alone: torch.save(torch.load(f, weights_only=True), g); without weights_only=True, loading it would execute whatever it says, so do that only with a file of your own',
    ];
  return undefined;
}

/** Name of the folder in the zip file that contains everything, with a slash at the end. */
function findFolder(zip: Zip): string {
  const folders = [...zip.entries.keys()]
    .filter((n) => /^([^/]+\/)?data\.pkl$/.test(n))
    .map((n) => n.slice(0, -'data.pkl'.length));
  const where = zip.path;
  if (folders.length !== 1)
    throw new UserError(
      'bad-checkpoint',
      `${where} is a zip file, but not one of PyTorch (no data.pkl)`,
      'give a .pt file of YOLOv8 or YOLO11',
    );
  const folder = folders[0];
  if (zip.entries.has(`${folder}constants.pkl`))
    throw new UserError(
      'bad-checkpoint',
      `${where} is a TorchScript export, which holds a program, not a checkpoint`,
      'give the .pt file that it was exported from',
    );
  const order = zip.entries.get(`${folder}byteorder`);
  if (order && Buffer.from(zip.read(order, 16)).toString() !== 'little')
    throw new UserError(
      'bad-checkpoint',
      `${where} was written on a big-endian machine`,
      'save it again on another machine',
    );
  return folder;
}

const STORAGE_DTYPES: Record<string, Dtype> = {
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  UntypedStorage: 'U8',
};

/** The storages of one file, each read once. */
class Storages {
  private readonly loaded = new Map<string, RawArray>();
  private readonly zip: Zip;
  private readonly folder: string;

  constructor(zip: Zip, folder: string) {
    this.zip = zip;
    this.folder = folder;
  }

  /**
   * @param id ('storage', class, key, device, number of elements)
   * @returns the storage, checked against its zip entry
   */
  describe(id: unknown): Storage {
    const [kind, type, key, , count] = Array.isArray(id) ? id : [];
    const dtype = type instanceof PyName ? STORAGE_DTYPES[type.name.replace(/^.*\./, '')] : undefined;
    const where = this.zip.path;
    if (
      kind !== 'storage' ||
      !dtype ||
      typeof key !== 'string' ||
      !Number.isSafeInteger(count) ||
      (count as number) < 0
    )
      throw new UserError(
        'bad-checkpoint',
        `${where}: unknown form of a storage in the pickle`,
        'save the checkpoint again with a current PyTorch',
      );
    const entry = this.zip.entries.get(`${this.folder}data/${key}`);
    const bytes = (count as number) * elementBytes(dtype);
    if (!entry || entry.size < bytes)
      throw damaged(
        where,
        `storage ${key} should have ${bytes} bytes and ${entry ? `has ${entry.size}` : 'is missing'}`,
      );
    return { key, dtype, count: count as number };
  }

  /** @returns its data, and whether another tensor already refers to it */
  load({ key, dtype }: Storage): { raw: RawArray; shared: boolean } {
    const found = this.loaded.get(key);
    if (found) return { raw: found, shared: true };
    const raw = rawArray(dtype, this.zip.read(this.zip.entries.get(`${this.folder}data/${key}`)!, MAX_ELEMENTS * 8));
    this.loaded.set(key, raw);
    return { raw, shared: false };
  }
}

function damaged(where: string, what: string): UserError {
  return new UserError('bad-checkpoint', `${where}: ${what}`, 'the file is damaged: fetch it again');
}

/** Data that is converted to float32 at each access. */
function unheld(shape: number[], dtype: Dtype, raw: RawArray): NamedArray {
  return unheldFloats(shape, dtype, () => raw);
}

function scalarOf({ dtype }: TorchTensor, raw: RawArray): number | undefined {
  if (raw.length !== 1) return undefined;
  return dtype === 'F16' || dtype === 'BF16' ? toFloats(dtype, raw)[0] : Number(raw[0]);
}

/** Applies offset and strides; a contiguous tensor that covers its storage (nearly all do) is not copied. */
function readTensor(path: string, tensor: TorchTensor, storages: Storages): RawArray {
  const { shape, stride, offset, dtype } = tensor;
  const count = shape.reduce((a, b) => a * b, 1);
  const last = offset + shape.reduce((sum, n, i) => sum + Math.max(0, n - 1) * stride[i], 0);
  const available = Math.floor((tensor.storage.count * elementBytes(tensor.storage.dtype)) / elementBytes(dtype));
  if (count > MAX_ELEMENTS || (count > 0 && last >= available))
    throw damaged(path, `a tensor of shape [${shape}] does not fit its storage of ${available} numbers`);
  const { raw: stored, shared } = storages.load(tensor.storage);
  const raw = rawArray(dtype, stored);
  if (!isContiguous(shape, stride)) return gather(raw, shape, stride, offset, count);
  const whole = count === raw.length && !shared;
  return whole ? raw : raw.slice(offset, offset + count);
}

function isContiguous(shape: number[], stride: number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && stride[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}

/** Copies a strided view to a contiguous array, last axis fastest. */
function gather(raw: RawArray, shape: number[], stride: number[], offset: number, count: number): RawArray {
  const out = new (raw.constructor as new (n: number) => RawArray)(count);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    out[i] = raw[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += stride[d];
      if (++index[d] < shape[d]) break;
      from -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return out;
}
