/**
 * Weights of the classes in the class loss (`cls_pw` p): (1 / frequency)^p, normalised to a mean of 1.
 * @param counts labels of each class in the training set
 * @param power p; 0 weighs all alike
 * @returns [K]; a class without labels counts as one label
 */
export function classWeights(counts: ArrayLike<number>, power: number): number[] {
  const raw = Array.from(counts, (count) => (1 / Math.max(count, 1)) ** power);
  const mean = raw.reduce((sum, w) => sum + w, 0) / raw.length;
  return raw.map((w) => w / mean);
}
