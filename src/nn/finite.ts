/** Weights that are not finite: what they reach is NaN, and no box with a score of NaN is ever kept. */
import { log } from '../core/log.js';
import type { NamedArray } from '../core/types.js';

/** Says which weights are not finite, if any. @param where name of the model, for the message */
export function warnOfNonFinite(weights: ReadonlyMap<string, NamedArray>, where: string): void {
  const found: { name: string; count: number; of: number }[] = [];
  for (const [name, array] of weights) {
    const { data } = array; // asked for once: it may be read from the file each time
    const count = countNonFinite(data);
    if (count > 0) found.push({ name, count, of: data.length });
  }
  if (found.length === 0) return;
  const [{ name, count, of }] = found;
  const others = found.length > 1 ? `, and ${found.length - 1} more tensors hold such numbers` : '';
  log.warn(
    `${where} is broken: ${count} of the ${of} numbers of '${name}' are not finite (NaN or infinity)${others}; what such a network finds means nothing, and mostly it finds nothing`,
  );
}

function countNonFinite(data: Float32Array): number {
  // NaN and infinity are the numbers that times zero are not zero: one sum tells that there is none, which is nearly always.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * 0;
  return sum === 0 ? 0 : data.reduce((n, x) => n + (Number.isFinite(x) ? 0 : 1), 0);
}
