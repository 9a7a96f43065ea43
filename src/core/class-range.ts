/** Class numbers that a user asks for and that there are none of. */
import { log } from './log.js';

/** Says so once; they find nothing. @param of what the classes are those of, for the message */
export function warnOfClasses(
  classes: readonly number[] | null | undefined,
  names: readonly string[],
  of: string,
): void {
  const beyond = (classes ?? []).filter((id) => id >= names.length);
  if (beyond.length === 0) return;
  const last = names.length - 1;
  const there = last > 0 ? `classes 0 to ${last}` : 'class 0 alone';
  log.warnOnce(`classes=[${beyond.slice(0, 10).join(',')}]: ${of} has ${there}; nothing is found for others`);
}
