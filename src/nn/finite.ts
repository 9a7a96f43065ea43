/** Check for weights that are not finite, with which outputs are NaN and no box passes the confidence threshold. */
import { log } from '../core/log.js';
import type { NamedArray } from '../core/types.js';

/** Warns if weights are not finite. @param where name of the model, for the message */
export function warnNonFinite(weights: ReadonlyMap<string, NamedArray>, where: string): void {
  const found: { name: string; count: number; of: number }[] = [];
  for (const [name, array] of weights) {
    const { data } = array; // only once: the getter may read the file each time
    const count = countNonFinite(data);
    if (count > 0) found.push({ name, count, of: data.length });
  }
  if (found.length === 0) return;
  const [{ name, count, of }] = found;
  const others = found.length > 1 ? `, and ${found.length - 1} more tensors contain such numbers` : '';
  log.warn(
    `${where} is broken: ${count} of the ${of} numbers of '${name}' are not finite (NaN or infinity)${others}; predictions of such a network are meaningless, and mostly there are none`,
  );
}

function countNonFinite(data: Float32Array): number {
  // x · 0 is 0 for all finite x and NaN otherwise, so that a sum is enough in the usual case.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * 0;
  return sum === 0 ? 0 : data.reduce((n, x) => n + (Number.isFinite(x) ? 0 : 1), 0);
}
