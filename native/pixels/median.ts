// Median of a square window, of all bytes of a row at once.

/**
 * The median's bits from the highest to the lowest: a bit is set if enough values of the window are then not below.
 * @param rows address of each of the k rows of the window, uint32, RGB with k / 2 pixels before and after
 * @param k side of the window in pixels, odd, at most 15
 * @param out `n` bytes, rounded up to a multiple of 16, as much is read after the rows
 */
export function medianRow(rows: usize, k: i32, out: usize, n: i32): void {
  const enough = i8x16.splat(<i8>((k * k + 1) >> 1));
  for (let j = 0; j < n; j += 16) {
    let median = i8x16.splat(0);
    for (let bit = 128; bit > 0; bit >>= 1) {
      const trial = v128.or(median, i8x16.splat(<i8>bit));
      let count = i8x16.splat(0);
      for (let y = 0; y < k; y++) {
        const row: usize = load<u32>(rows + 4 * y) + j;
        // A comparison that holds is −1.
        for (let x = 0; x < 3 * k; x += 3) count = i8x16.sub(count, i8x16.ge_u(v128.load(row + x), trial));
      }
      median = v128.bitselect(trial, median, i8x16.ge_u(count, enough));
    }
    v128.store(out + j, median);
  }
}
