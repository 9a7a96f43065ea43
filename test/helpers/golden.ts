import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ScheduleSettings } from '../../src/optim/schedule.js';

// biome-ignore lint/suspicious/noExplicitAny: free-form JSON, of another form in each file
type Meta = Record<string, any>;

/** A tensor in the header of a safetensors file. */
interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface GoldenArray {
  dtype: string;
  shape: number[];
  data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;
}

/**
 * Reads test/golden/NAME.safetensors without the project's own reader, so that the reader itself can be tested against it.
 * A fresh set of golden files can be dropped in: class count, shapes and settings come from the file.
 */
export function golden(name: string): { tensors: Map<string, GoldenArray>; meta: Meta } {
  const file = readFileSync(fileURLToPath(new URL(`../golden/${name}.safetensors`, import.meta.url)));
  const n = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + n));
  const kinds: Record<string, [number, (b: ArrayBuffer) => GoldenArray['data']]> = {
    F32: [4, (b) => new Float32Array(b)],
    F64: [8, (b) => new Float64Array(b)],
    I32: [4, (b) => new Int32Array(b)],
    I64: [8, (b) => new BigInt64Array(b)],
    U8: [1, (b) => new Uint8Array(b)],
    // bfloat16 is the upper half of a float32
    BF16: [2, (b) => new Float32Array(Uint32Array.from(new Uint16Array(b), (x) => x << 16).buffer)],
  };
  const tensors = new Map<string, GoldenArray>();
  for (const [key, info] of Object.entries<Entry>(header)) {
    if (key === '__metadata__') continue;
    const [from, to] = info.data_offsets;
    const bytes = file.subarray(8 + n + from, 8 + n + to);
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    tensors.set(key, { dtype: info.dtype, shape: info.shape, data: kinds[info.dtype][1](copy) });
  }
  const meta: Meta = {};
  for (const [key, value] of Object.entries<string>(header.__metadata__ ?? {})) meta[key] = JSON.parse(value);
  return { tensors, meta };
}

/** One tensor of a golden file; fails with the names that are there when it is missing. */
export function pick(g: ReturnType<typeof golden>, name: string): GoldenArray {
  const t = g.tensors.get(name);
  if (!t)
    throw new Error(`no '${name}' in the golden file; there is ${[...g.tensors.keys()].slice(0, 20).join(', ')} …`);
  return t;
}

/** The schedule of golden/training and golden/optimizer, from their hyperparameters. */
export function goldenSchedule(h: Meta): ScheduleSettings {
  return {
    epochs: h.epochs,
    batchesPerEpoch: h.batches_per_epoch,
    batch: h.batch,
    nbs: h.nbs,
    lr0: h.lr0,
    lrf: h.lrf,
    cosLr: false,
    momentum: h.momentum,
    warmupEpochs: 0,
    warmupIterations: h.warmup_iterations,
    warmupMomentum: h.warmup_momentum,
    warmupBiasLr: h.warmup_bias_lr,
    warmsMomentum: true,
  };
}
