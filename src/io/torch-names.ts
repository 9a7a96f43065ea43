/**
 * Allow-list of the names in the pickle of a YOLOv8 or YOLO11 checkpoint, and their meanings here. Classes of torch.nn and
 * ultralytics are not implemented: an instance becomes a plain object with its attributes. Other names are refused.
 */
import { UserError } from '../core/errors.js';
import { PyDict, PyName, unsafeName } from './pickle.js';
import type { Dtype } from './typed.js';

/** PyTorch's storage: a one-dimensional array, one entry of the zip file. */
export interface Storage {
  key: string;
  dtype: Dtype;
  /** Elements, of `dtype`. */
  count: number;
}

/** A view of a storage: element [i, j, …] is at index offset + i·stride[0] + j·stride[1] + … of the storage. */
export class TorchTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: number[];
  readonly stride: number[];
  readonly dtype: Dtype;

  constructor(storage: Storage, offset: number, shape: number[], stride: number[], dtype: Dtype) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.stride = stride;
    this.dtype = dtype;
  }
}

/**
 * Packages whose classes are represented as plain objects, whatever their name (one identifier, no dots). torchvision's
 * transforms occur in checkpoints of classification models, which are read only as far as to name the task in the error.
 */
const REPRESENTED =
  /^(torch\.nn\.(modules|parameter)\.([a-z_]+\.)*|torchvision\.transforms\.([a-z_0-9]+\.)*|ultralytics\.([a-zA-Z_0-9]+\.)*|models\.(yolo|common|experimental)\.|utils\.(loss|torch_utils)\.)[A-Za-z_]\w*$/;

const DTYPES: Record<string, Dtype> = {
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  float32: 'F32',
  float: 'F32',
  float64: 'F64',
  double: 'F64',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

type Call = (args: unknown[], where: string) => unknown;

const first: Call = (args) => args[0];

/** Functions and classes whose calls are evaluated. */
const MEANINGS: Record<string, Call> = {
  'collections.OrderedDict': ([pairs]) => new PyDict(Array.isArray(pairs) ? (pairs as [unknown, unknown][]) : []),
  'collections.defaultdict': () => new Map(),
  'torch.Size': ([sizes]) => sizes ?? [],
  'torch.device': ([name]) => name,
  'torch._utils._rebuild_tensor_v2': ([s, offset, shape, stride], where) => tensor(where, s, offset, shape, stride),
  'torch._utils._rebuild_tensor': ([s, offset, shape, stride], where) => tensor(where, s, offset, shape, stride),
  'torch._utils._rebuild_tensor_v3': ([s, offset, shape, stride, , , dtype], where) =>
    tensor(where, s, offset, shape, stride, dtype),
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch._tensor._rebuild_from_type_v2': ([make, , args]) =>
    make instanceof PyName && make.call && Array.isArray(args) ? make.call(args) : null,
  'torch.nn.parameter.Parameter': first,
  'torch.nn.parameter.Buffer': first,
  'numpy.core.multiarray.scalar': ([type, bytes]) => scalar(type, bytes),
  'numpy._core.multiarray.scalar': ([type, bytes]) => scalar(type, bytes),
  '_codecs.encode': ([text]) => Uint8Array.from(Buffer.from(String(text), 'latin1')),
  'pathlib.PosixPath': path,
  'pathlib.PurePosixPath': path,
  'pathlib.WindowsPath': path,
  'pathlib.PureWindowsPath': path,
  'pathlib._local.PosixPath': path,
  'pathlib._local.WindowsPath': path,
};
for (const module of ['builtins', '__builtin__']) {
  MEANINGS[`${module}.getattr`] = attribute;
  MEANINGS[`${module}.set`] = ([items]) => new Set((items as unknown[]) ?? []);
  MEANINGS[`${module}.frozenset`] = MEANINGS[`${module}.set`];
  MEANINGS[`${module}.list`] = ([items]) => [...((items as unknown[]) ?? [])];
  MEANINGS[`${module}.tuple`] = MEANINGS[`${module}.list`];
  MEANINGS[`${module}.dict`] = () => new Map();
  MEANINGS[`${module}.bytearray`] = ([data]) => data ?? new Uint8Array();
  MEANINGS[`${module}.complex`] = ([re, im]) => [re, im];
}

/** Further names that are represented as plain objects. */
const OPAQUE = new Set([
  'types.SimpleNamespace',
  'argparse.Namespace',
  'datetime.datetime',
  'datetime.timedelta',
  'numpy.dtype',
  'torch.storage.UntypedStorage',
  'torch.storage.TypedStorage',
  'torch.UntypedStorage',
  'torch.Tensor',
  'torch.serialization._get_layout',
  'copyreg._reconstructor',
  'copy_reg._reconstructor',
  'builtins.object',
  '__builtin__.object',
  'builtins.int',
  'builtins.float',
  'builtins.str',
  'builtins.bool',
]);

/** @param where name of the file, for messages @returns undefined if the name is not allowed */
export function allowedName(name: string, where: string): PyName | undefined {
  if (Object.hasOwn(MEANINGS, name)) return new PyName(name, (args) => MEANINGS[name](args, where));
  if (OPAQUE.has(name) || REPRESENTED.test(name)) return new PyName(name);
  const inTorch = /^torch\.(?:cuda\.)?(\w+)$/.exec(name)?.[1];
  if (inTorch && (/^[A-Z]\w*Storage$/.test(inTorch) || Object.hasOwn(DTYPES, inTorch))) return new PyName(name);
  return undefined;
}

function tensor(
  where: string,
  storage: unknown,
  offset: unknown,
  shape: unknown,
  stride: unknown,
  dtype?: unknown,
): TorchTensor {
  const named = dtype instanceof PyName ? DTYPES[dtype.name.replace('torch.', '')] : (storage as Storage)?.dtype;
  const sizes = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!storage || !named || !sizes([offset]) || !sizes(shape) || !sizes(stride) || shape.length !== stride.length)
    throw new UserError(
      'bad-checkpoint',
      `${where}: unknown form of a tensor in the pickle`,
      'save the checkpoint again with a current PyTorch',
    );
  return new TorchTensor(storage as Storage, offset as number, shape, stride, named);
}

/**
 * `getattr(Detect, 'forward')`, the pickled form of a method: segmentation and pose heads of version 8.0 contain one. A
 * method of an ultralytics class is represented by its name; any other use of getattr is refused.
 */
function attribute([owner, name]: unknown[], where: string): PyName {
  const isClass = owner instanceof PyName && !owner.call && owner.name.startsWith('ultralytics.');
  if (!isClass || typeof name !== 'string' || !/^[A-Za-z]\w*$/.test(name)) throw unsafeName(where, 'builtins.getattr');
  return new PyName(`${owner.name}.${name}`);
}

/** NumPy scalars, e.g. of `best_fitness`. */
function scalar(type: unknown, bytes: unknown): unknown {
  const code = (type as { args?: unknown[] })?.args?.[0];
  if (typeof code !== 'string' || !(bytes instanceof Uint8Array)) return null;
  const b = Buffer.from(bytes);
  if (code === 'f8' && b.length === 8) return b.readDoubleLE();
  if (code === 'f4' && b.length === 4) return b.readFloatLE();
  if (code === 'i8' && b.length === 8) return Number(b.readBigInt64LE());
  if (code === 'i4' && b.length === 4) return b.readInt32LE();
  return code === 'b1' && b.length === 1 ? b[0] !== 0 : null;
}

function path(parts: unknown[]): string {
  return parts.map(String).join('/').replace(/^\/\//, '/');
}
