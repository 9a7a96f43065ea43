/**
 * Weights of the classes in the class loss (option `cls_pw`): (1 / frequency)^p, normalized to a mean of 1.
 * @param counts labels of each class in the training set; 0 is treated as 1
 * @param power p; 0 gives equal weights
 * @returns [K]
 */
export function classWeights(counts: ArrayLike<number>, power: number): number[] {
  const raw = Array.from(counts, (count) => (1 / Math.max(count, 1)) ** power);
  const mean = raw.reduce((sum, w) => sum + w, 0) / raw.length;
  return raw.map((w) => w / mean);
}
