/** Shards: consecutive parts of equal size of a list, each for a process of its own. */

/** One of `count` shards. */
export interface Shard {
  /** From 1. */
  index: number;
  count: number;
}

/** Consecutive items of a list: `from` (included) to `to` (excluded). */
export interface Range {
  from: number;
  to: number;
}

/** @param text `2/3` @returns undefined if it is not i/n with 1 ≤ i ≤ n */
export function parseShard(text: string): Shard | undefined {
  const [, i, n] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text.trim()) ?? [];
  const [index, count] = [Number(i), Number(n)];
  return index <= count ? { index, count } : undefined;
}

/** The text that `parseShard` reads. */
export function shardText({ index, count }: Shard): string {
  return `${index}/${count}`;
}

/** The shard's part of `units` indivisible units: the sizes of all parts differ by at most one. */
export function unitsOf(units: number, { index, count }: Shard = { index: 1, count: 1 }): Range {
  const start = (i: number): number => Math.floor((i * units) / count);
  return { from: start(index - 1), to: start(index) };
}
