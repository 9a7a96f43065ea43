/**
 * Writes the format of `torch.save(state_dict)`: a zip file with a pickle of an OrderedDict, in which each tensor is a view
 * of a storage, and one entry of raw data per storage. `torch.load(path, weights_only=True)` reads it.
 * Format: PyTorch's notes "Serialization semantics".
 */
import { PyCall, PyGlobal, PyPersistent, PyTuple, pickle } from './pickle-write.js';
import type { StoredTensor } from './safetensors.js';
import { bytesOf, type Dtype } from './typed.js';
import { type StoredEntry, writeZip } from './zip-write.js';

const STORAGES: Partial<Record<Dtype, string>> = {
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  F32: 'FloatStorage',
  F64: 'DoubleStorage',
  I64: 'LongStorage',
  I32: 'IntStorage',
  I16: 'ShortStorage',
  I8: 'CharStorage',
  U8: 'ByteStorage',
  BOOL: 'BoolStorage',
};

const ORDERED_DICT = new PyGlobal('collections.OrderedDict');
const REBUILD = new PyGlobal('torch._utils._rebuild_tensor_v2');

/**
 * Writes a state dict atomically.
 * @param attributes of the dict object, in Python e.g. `state.names`
 * @throws UserError 'cannot-write'
 */
export function writeStateDict(
  path: string,
  tensors: readonly (readonly [name: string, tensor: StoredTensor])[],
  attributes: Readonly<Record<string, unknown>> = {},
): void {
  const items = tensors.map(([name, tensor], i) => [name, view(String(i), tensor)] as const);
  const root = new PyCall(ORDERED_DICT, [], { items, state: attributes });
  writeZip(path, entriesOf(pickle(root), tensors));
}

function* entriesOf(data: Buffer, tensors: readonly (readonly [string, StoredTensor])[]): Generator<StoredEntry> {
  yield { name: 'archive/data.pkl', data };
  yield { name: 'archive/byteorder', data: Buffer.from('little') };
  for (const [i, [, tensor]] of tensors.entries()) yield { name: `archive/data/${i}`, data: bytesOf(tensor.data) };
  yield { name: 'archive/version', data: Buffer.from('3\n') };
}

/** A contiguous tensor that covers its storage. */
function view(key: string, { dtype, shape }: StoredTensor): PyCall {
  const storage = STORAGES[dtype];
  if (!storage) throw new Error(`PyTorch has no storage of ${dtype}`);
  const count = shape.reduce((a, b) => a * b, 1);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const id = new PyTuple(['storage', new PyGlobal(`torch.${storage}`), key, 'cpu', count]);
  const hooks = new PyCall(ORDERED_DICT, []);
  return new PyCall(REBUILD, [new PyPersistent(id), 0, new PyTuple(shape), new PyTuple(strides), false, hooks]);
}
