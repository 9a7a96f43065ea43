// Horizontal flip of a row.

/** The bytes of five pixels in reverse order of the pixels, after one byte that is not used. */
const REVERSED = i8x16(-1, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2);

/**
 * @param row RGB, with a byte after its last pixel
 * @param out gets the n pixels; the byte before it is overwritten
 */
export function flipRow(row: usize, out: usize, n: i32): void {
  let x = 0;
  for (; x + 5 <= n; x += 5) v128.store(out + 3 * (n - 5 - x) - 1, i8x16.swizzle(v128.load(row + 3 * x), REVERSED));
  for (; x < n; x++) {
    const to = out + 3 * (n - 1 - x);
    store<u16>(to, load<u16>(row + 3 * x));
    store<u8>(to + 2, load<u8>(row + 3 * x + 2));
  }
}
