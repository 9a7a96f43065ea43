/**
 * Suggestions for misspelled names, by edit distance (optimal string alignment, Damerau 1964: a transposition of adjacent
 * letters is one edit) and by common prefix.
 */

/** Minimum number of insertions, deletions, substitutions and transpositions of adjacent letters from `a` to `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length];
}

/** Letters. No name is longer, and the time of the distance grows with the product of the lengths. */
const MAX_WORD = 64;

/** @returns the end of a message about an unknown name: `. Similar: a, b`; '' if there is none */
export function similarText(names: readonly string[]): string {
  return names.length ? `. Similar: ${names.join(', ')}` : '';
}

/**
 * @returns the names most similar to `word`, best first, at most `limit`. Similar: the edit distance is at most 40 % of
 * the longer word, or the name begins with the word (of two letters or more)
 */
export function similar(word: string, names: readonly string[], limit = 3): string[] {
  if (word.length > MAX_WORD) return [];
  const lower = word.toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const name of names) {
    const longest = Math.max(lower.length, name.length);
    let score = editDistance(lower, name.toLowerCase()) / longest;
    if (lower.length > 1 && name.toLowerCase().startsWith(lower)) score = Math.min(score, 0.25);
    if (score <= 0.4) scored.push({ name, score });
  }
  scored.sort((x, y) => x.score - y.score || x.name.length - y.name.length);
  const best = scored.length ? scored[0].score : 0;
  return scored
    .filter((s) => s.score <= best + 0.15)
    .slice(0, limit)
    .map((s) => s.name);
}
