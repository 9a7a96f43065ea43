import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipInput {
  name: string;
  data: Uint8Array;
  deflate?: boolean;
  /** Sizes and place in 64-bit fields, although small. */
  zip64?: boolean;
  /** Claims that differ from the truth, for hostile files. */
  claim?: { size?: number; crc?: number; method?: number; flags?: number; offset?: number };
}

/** A zip file in memory. @param zip64 writes the 64-bit end record, too */
export function makeZip(inputs: ZipInput[], { zip64 = false, comment = '' } = {}): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const input of inputs) {
    const { name, data, deflate, claim = {} } = input;
    const packed = deflate ? deflateRawSync(data) : Buffer.from(data);
    const method = claim.method ?? (deflate ? 8 : 0);
    const sizes = [packed.length, claim.size ?? data.length];
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    local.writeUInt16LE(5, 28); // an extra field, as PyTorch pads with
    const extra = input.zip64 ? Buffer.alloc(28) : Buffer.alloc(0);
    if (input.zip64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      extra.writeBigUInt64LE(BigInt(sizes[1]), 4);
      extra.writeBigUInt64LE(BigInt(sizes[0]), 12);
      extra.writeBigUInt64LE(BigInt(claim.offset ?? at), 20);
    }
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(0x800 | (claim.flags ?? 0), 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(claim.crc ?? crc32(data), 16);
    central.writeUInt32LE(input.zip64 ? 0xffffffff : sizes[0], 20);
    central.writeUInt32LE(input.zip64 ? 0xffffffff : sizes[1], 24);
    central.writeUInt16LE(Buffer.byteLength(name), 28);
    central.writeUInt16LE(extra.length, 30);
    central.writeUInt32LE(input.zip64 ? 0xffffffff : (claim.offset ?? at), 42);
    list.push(central, Buffer.from(name), extra);
    const block = [local, Buffer.from(name), Buffer.from([0x46, 0x42, 1, 0, 0]), packed];
    parts.push(...block);
    at += block.reduce((n, b) => n + b.length, 0);
  }
  const directory = Buffer.concat(list);
  return Buffer.concat([...parts, directory, ...endRecords(inputs.length, directory.length, at, zip64, comment)]);
}

function endRecords(count: number, size: number, offset: number, zip64: boolean, comment: string): Buffer[] {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(zip64 ? 0xffff : count, 8);
  end.writeUInt16LE(zip64 ? 0xffff : count, 10);
  end.writeUInt32LE(zip64 ? 0xffffffff : size, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : offset, 16);
  end.writeUInt16LE(comment.length, 20);
  if (!zip64) return [end, Buffer.from(comment)];
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(size), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return [end64, locator, end, Buffer.from(comment)];
}
