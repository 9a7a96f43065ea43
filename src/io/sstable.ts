/**
 * LevelDB's sorted table of keys and values (https://github.com/google/leveldb/blob/main/doc/table_format.md), without
 * compression: the format of the index file of a TensorFlow checkpoint.
 */
import { maskedCrc32c } from './crc32c.js';
import { varintBytes } from './protobuf.js';

const MAGIC = 0xdb4775248b80fb57n;
const FOOTER_BYTES = 48;
/** Keys between restart points, at which a key is stored without prefix compression. LevelDB's default. */
const RESTART_INTERVAL = 16;
/** Size from which on a block is finished. TensorFlow's value for this file. */
const BLOCK_BYTES = 1 << 18;

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** @param entries in any order; keys must be unique @returns the file */
export function sortedTable(entries: Iterable<readonly [key: string, value: Uint8Array]>): Uint8Array {
  const sorted = [...entries]
    .map(([key, value]): Entry => [Buffer.from(key, 'utf8'), value])
    .sort(([a], [b]) => Buffer.compare(a, b));
  const file: Uint8Array[] = [];
  let size = 0;
  /** @returns the block's handle: offset and length without the trailer */
  const append = (block: Uint8Array): Uint8Array => {
    const handle = Uint8Array.from([...varintBytes(size), ...varintBytes(block.length)]);
    const type = Uint8Array.of(0); // not compressed
    file.push(block, type, uint32(maskedCrc32c(block, type)));
    size += block.length + 5;
    return handle;
  };
  const index = blocks(sorted).map(([last, block]): Entry => [last, append(block)]);
  const none = append(blockOf([], RESTART_INTERVAL));
  const handles = [none, append(blockOf(index, 1))];
  const footer = Buffer.alloc(FOOTER_BYTES);
  Buffer.concat(handles).copy(footer);
  footer.writeBigUInt64LE(MAGIC, FOOTER_BYTES - 8);
  return Buffer.concat([...file, footer]);
}

/** Data blocks, each with its last key, by which the index block refers to it. */
function blocks(sorted: readonly Entry[]): [last: Uint8Array, block: Uint8Array][] {
  const out: [Uint8Array, Uint8Array][] = [];
  let from = 0;
  let bytes = 0;
  sorted.forEach(([key, value], i) => {
    bytes += key.length + value.length;
    if (bytes < BLOCK_BYTES && i < sorted.length - 1) return;
    out.push([key, blockOf(sorted.slice(from, i + 1), RESTART_INTERVAL)]);
    from = i + 1;
    bytes = 0;
  });
  return out;
}

/** A block: entries with prefix-compressed keys, then the offsets of the restart points. */
function blockOf(entries: readonly Entry[], interval: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const restarts = entries.length ? [] : [0];
  let size = 0;
  let before: Uint8Array = new Uint8Array();
  entries.forEach(([key, value], i) => {
    const whole = i % interval === 0;
    if (whole) restarts.push(size);
    const shared = whole ? 0 : sharedBytes(before, key);
    const head = [shared, key.length - shared, value.length].flatMap((n) => varintBytes(n));
    parts.push(Uint8Array.from(head), key.subarray(shared), value);
    size += head.length + key.length - shared + value.length;
    before = key;
  });
  return Buffer.concat([...parts, ...restarts.map(uint32), uint32(restarts.length)]);
}

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function uint32(value: number): Uint8Array {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}
