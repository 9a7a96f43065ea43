/**
 * Names that someone may have meant: by edit distance, with swapped neighbours counted as one edit
 * (optimal string alignment, Damerau 1964), and by a common beginning.
 */

/** Fewest insertions, deletions, replacements and swaps of neighbours that make `b` of `a`. */
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

/** No name is that long, and distances of long texts take long. */
const MAX_WORD = 64;

/**
 * The names nearest to `word`, best first, at most `limit`; none when nothing is near.
 * Near: at most 40 % of the longer word's letters differ, or the name begins with the word (two letters or more).
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
