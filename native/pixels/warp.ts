// Rows of a separable bilinear warp. Weights have 11 bits; both of a pixel are packed as 16-bit integers in 32 bits.

/** Bytes of two neighbouring pixels, r g b r g b, as 16-bit integers: r r g g b b. */
const PAIRED = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);

/**
 * Interpolates between each pixel and its right neighbour.
 * @param row RGB, with 2 bytes after its last pixel
 * @param at byte offset in the row of each of `n` pixels, int32
 * @param weights of the pixel and its neighbour, 2 x int16 each
 * @param out int32 [n, 3], values times 2048; 4 bytes after it are overwritten
 */
export function resampleRow(row: usize, at: usize, weights: usize, out: usize, n: i32): void {
  for (let x = 0; x < n; x++) {
    const pair = v128.load64_zero(row + load<i32>(at + 4 * x));
    v128.store(out + 12 * x, i32x4.dot_i16x8_s(i8x16.swizzle(pair, PAIRED), v128.load32_splat(weights + 4 * x)));
  }
}

/**
 * Interpolates between two resampled rows.
 * @param weight of `lower`, 0..2048
 * @param out `n` bytes, rounded up to a multiple of 16
 */
export function blendRows(upper: usize, lower: usize, weight: i32, out: usize, n: i32): void {
  const a = i32x4.splat(2048 - weight);
  const b = i32x4.splat(weight);
  for (let j = 0; j < n; j += 16) {
    const p = upper + 4 * j;
    const q = lower + 4 * j;
    const low = i16x8.narrow_i32x4_s(blend(p, q, a, b), blend(p + 16, q + 16, a, b));
    const high = i16x8.narrow_i32x4_s(blend(p + 32, q + 32, a, b), blend(p + 48, q + 48, a, b));
    v128.store(out + j, i8x16.narrow_i16x8_u(low, high));
  }
}

function blend(p: usize, q: usize, a: v128, b: v128): v128 {
  const sum = i32x4.add(i32x4.mul(v128.load(p), a), i32x4.mul(v128.load(q), b));
  return i32x4.shr_u(i32x4.add(sum, i32x4.splat(1 << 21)), 22);
}
