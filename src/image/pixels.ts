/**
 * Image kernels in WebAssembly SIMD (native/pixels, compiled by the build): the loops in which a data loader spends its
 * time. Each thread has an instance; calls are synchronous, so that all share one scratch region of its memory.
 */
import { readFileSync } from 'node:fs';

/** Node has it, its types don't. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: object };
};

/** The functions of native/pixels/index.ts; pointers are addresses in `memory`. */
interface Kernels {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  resampleRow(row: number, at: number, weights: number, out: number, n: number): void;
  blendRows(upper: number, lower: number, weight: number, out: number, n: number): void;
  hsv(pixels: number, n: number, shift: number, saturation: number, value: number): void;
  medianRow(rows: number, k: number, out: number, n: number): void;
  flipRow(row: number, out: number, n: number): void;
}

/** Scratch memory: addresses, and views of all memory. */
export interface Scratch {
  kernels: Kernels;
  at: number[];
  bytes: Uint8Array;
  words: Int32Array;
}

/** The same place for src and dist. */
const MODULE = new URL('../../dist/pixels.wasm', import.meta.url);
const PAGE = 65536;
/** Alignment of operands, and the bytes before and after each that a kernel may read or overwrite. */
const SLACK = 64;

let loaded: Kernels | undefined;

function load(): Kernels {
  return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(MODULE))).exports as Kernels;
}

/**
 * Lays out the scratch region; its contents are not defined.
 * @param sizes of the operands, bytes
 * @returns their addresses, valid until the next call
 */
export function scratch(...sizes: number[]): Scratch {
  loaded ??= load();
  const { memory } = loaded;
  let end = SLACK;
  const at = sizes.map((size) => {
    const start = end;
    end += Math.ceil(size / SLACK) * SLACK + SLACK;
    return start;
  });
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return { kernels: loaded, at, bytes: new Uint8Array(memory.buffer), words: new Int32Array(memory.buffer) };
}
