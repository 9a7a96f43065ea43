/** Check of the classes= option. */
import { log } from './log.js';

/**
 * Warns once if classes= contains indices that do not exist; such indices match nothing.
 * @param classes indices that were requested; null or undefined: all
 * @param names of all classes
 * @param of what has these classes, for the message
 */
export function warnUnknownClasses(
  classes: readonly number[] | null | undefined,
  names: readonly string[],
  of: string,
): void {
  const unknown = (classes ?? []).filter((id) => id >= names.length);
  if (unknown.length === 0) return;
  const last = names.length - 1;
  const range = last > 0 ? `classes 0 to ${last}` : 'only class 0';
  log.warnOnce(`classes=[${unknown.slice(0, 10).join(',')}]: ${of} has ${range}; nothing is found for others`);
}
