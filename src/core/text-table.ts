/** Tables of text for a terminal. */

/** @param rows cells, the same number in each row @param left number of columns that are aligned at the left @returns lines */
export function textTable(rows: readonly string[][], left = 1): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  const aligned = (cell: string, c: number): string => (c < left ? cell.padEnd(widths[c]) : cell.padStart(widths[c]));
  return rows.map((row) => row.map(aligned).join('  ').trimEnd());
}
