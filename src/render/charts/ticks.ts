/** Ticks at round numbers, and formatting of numbers. */

/** Steps as multiples of a power of ten (Heckbert 1990, "Nice Numbers for Graph Labels"). */
const STEPS = [1, 2, 5, 10];

/**
 * @param count approximate number of ticks
 * @param whole only integers
 * @returns round values from `low` to `high`, inclusive
 */
export function ticksBetween(low: number, high: number, count = 5, whole = false): number[] {
  const step = roundStep((high - low) / Math.max(count, 1), whole);
  const from = Math.ceil(low / step - 1e-9);
  const to = Math.floor(high / step + 1e-9);
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}

/** @returns a range that contains the values, with ticks at both ends; [0, 1] if no value is finite */
export function roundRange(values: Iterable<number>, count = 5, whole = false): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  if (low === high) {
    const around = Math.abs(low) * 0.05 || 0.5;
    [low, high] = [low - around, high + around];
  }
  const step = roundStep((high - low) / count, whole);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** Labels of ticks, all with the number of decimals that is needed (at most 6), with thousands separators. */
export function tickLabels(ticks: readonly number[]): string[] {
  const exact = (digits: number): boolean => ticks.every((t) => Math.abs(Number(t.toFixed(digits)) - t) < 1e-9);
  let decimals = 0;
  while (decimals < 6 && !exact(decimals)) decimals++;
  return ticks.map((tick) => grouped(tick.toFixed(decimals)));
}

/** Inserts thousands separators: 12345 → 12,345. */
export function grouped(digits: string): string {
  const [whole, part] = digits.split('.');
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return part === undefined ? spaced : `${spaced}.${part}`;
}

function roundStep(rough: number, whole: boolean): number {
  const power = 10 ** Math.floor(Math.log10(rough > 0 ? rough : 1));
  const step = (STEPS.find((s) => s * power >= rough - power * 1e-9) ?? 10) * power;
  return whole ? Math.max(1, step) : step;
}
