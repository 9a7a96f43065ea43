/** `time=`: the number of epochs is fitted to the hours that were given, and the run ends when they are over. */
import { log } from '../../core/log.js';
import type { Progress } from './checkpoint.js';

/** @param hours of `time=`, null for no limit */
export function outOfTime(hours: number | null, seconds: number): boolean {
  return hours !== null && seconds >= hours * 3600;
}

/**
 * Epochs that fit the time at the mean pace so far, at least those that are done.
 * @param epochs as planned now
 */
export function fittedEpochs(hours: number | null, epochs: number, { epoch, seconds }: Progress): number {
  if (hours === null || epoch === 0) return epochs;
  const fitted = Math.max(Math.ceil((hours * 3600) / (seconds / epoch)), epoch);
  if (fitted !== epochs) log.info(`time=${hours}: ${fitted} epochs fit`);
  return fitted;
}
