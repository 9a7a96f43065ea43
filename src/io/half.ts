/**
 * Conversion of arrays of 16-bit floating point numbers: IEEE 754 binary16 (half precision, F16) and bfloat16 (the upper 16
 * bits of a float32). Node 20 has no Float16Array, so that both are represented as a Uint16Array of their bits.
 */

let table: Float32Array | undefined;

/** Float of every half: 65,536 entries, computed on first use (0.25 MB, about a millisecond). */
function halfTable(): Float32Array {
  if (table) return table;
  table = new Float32Array(65536);
  for (let h = 0; h < 32768; h++) {
    const exponent = h >>> 10;
    const fraction = h & 1023;
    let value: number;
    if (exponent === 0) value = fraction * 2 ** -24;
    else if (exponent === 31) value = fraction ? Number.NaN : Number.POSITIVE_INFINITY;
    else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[h] = value;
    table[h | 32768] = -value;
  }
  return table;
}

/** @param bits of halves @returns the same numbers, exactly */
export function halfToFloat(bits: Uint16Array): Float32Array {
  const values = halfTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]];
  return out;
}

/** @returns bits of the nearest halves, ties to even; infinity from 65,520 on, which would round to over 65,504 */
export function floatToHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    const sign = (b >>> 16) & 0x8000;
    const magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) out[i] = sign | 0x7e00;
    else if (magnitude >= 0x477ff000) out[i] = sign | 0x7c00;
    else if (magnitude < 0x38800000) out[i] = sign | subnormalHalf(magnitude);
    else out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  return out;
}

/** @param magnitude bits of a positive float below 2^-14, the smallest normal half */
function subnormalHalf(magnitude: number): number {
  const exponent = magnitude >>> 23;
  if (exponent < 102) return 0; // below 2^-25: less than 0.5 of the smallest subnormal
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent; // 14..24
  const whole = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return whole + (rest > middle || (rest === middle && whole & 1) ? 1 : 0);
}

/** @param bits of bfloat16 numbers @returns the same numbers, exactly */
export function bfloatToFloat(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}
