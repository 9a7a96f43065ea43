/**
 * A checkpoint as TensorFlow's RestoreV2 reads it ("tensor bundle"): PREFIX.data-00000-of-00001 holds the numbers, one tensor
 * after the other; PREFIX.index is a sorted table of their types, shapes, places and checksums. Messages and field numbers:
 * tensorflow/core/protobuf/tensor_bundle.proto.
 */
import { type ElementType, TYPE_NUMBER } from '../graph/graph.js';
import { tensorShape } from '../graph/graphdef.js';
import { maskedCrc32c } from '../io/crc32c.js';
import { openAtomic, writeFileAtomic } from '../io/files.js';
import { concat, fixed32, message, varint } from '../io/protobuf.js';
import { sortedTable } from '../io/sstable.js';

export interface BundleTensor {
  name: string;
  dtype: ElementType;
  shape: readonly number[];
  /** Little-endian, asked for once: only one tensor is in memory at a time. */
  bytes(): Uint8Array;
}

/** Version of the format; one shard, little-endian. */
const HEADER = concat(varint(1, 1), message(3, varint(1, 1)));

/** @returns the two files, both whole or neither; missing folders are made */
export function writeBundle(prefix: string, tensors: Iterable<BundleTensor>): string[] {
  const [index, path] = [`${prefix}.index`, `${prefix}.data-00000-of-00001`];
  const entries: [string, Uint8Array][] = [['', HEADER.finish()]];
  const data = openAtomic(path);
  try {
    for (const { name, dtype, shape, bytes } of tensors) {
      const offset = data.size;
      const numbers = bytes();
      data.write(numbers);
      const entry = concat(
        varint(1, TYPE_NUMBER[dtype]),
        message(2, tensorShape(shape)),
        offset > 0 && varint(4, offset),
        varint(5, numbers.length),
        fixed32(6, maskedCrc32c(numbers)),
      );
      entries.push([name, entry.finish()]);
    }
    data.commit();
  } finally {
    data.abort();
  }
  writeFileAtomic(index, sortedTable(entries));
  return [index, path];
}
