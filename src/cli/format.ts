/** Formats times, sizes, rates and counts for people. */

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-:--';
  const s = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** Bytes as 512 B, 6.2 MB, 1.4 GB. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

/** How fast something goes: 18.2/s, or 2.1 s each when slower than one a second. */
export function rate(perSecond: number): string {
  if (!Number.isFinite(perSecond) || perSecond <= 0) return '';
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(1 / perSecond).toFixed(1)} s each`;
}

/** Memory that this process holds, as 1.20G. */
export function memory(): string {
  return `${(process.memoryUsage.rss() / 2 ** 30).toFixed(2)}G`;
}

/** `4 persons, 1 bus`: counts by name in class order; names get an s when there are several. */
export function countNames(found: readonly { class: number; name: string }[]): string {
  const counts = new Map<number, { name: string; n: number }>();
  for (const { class: id, name } of found) {
    const entry = counts.get(id) ?? { name, n: 0 };
    entry.n++;
    counts.set(id, entry);
  }
  const sorted = [...counts].sort(([a], [b]) => a - b);
  return sorted.map(([, { name, n }]) => `${n} ${name}${n > 1 ? 's' : ''}`).join(', ') || '(no detections)';
}

/** A curve in one line of block characters, from the least to the largest value. */
export function sparkline(values: readonly number[]): string {
  const blocks = '▁▂▃▄▅▆▇█';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const level = (x: number): number => (high > low ? Math.round(((x - low) / (high - low)) * 7) : 0);
  return values.map((x) => (Number.isFinite(x) ? blocks[level(x)] : ' ')).join('');
}
