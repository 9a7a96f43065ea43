/** @returns the median, the upper one of an even number; 0 for no values */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
