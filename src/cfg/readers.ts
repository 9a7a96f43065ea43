/** Readers of the keys that are neither plain numbers nor words; undefined: not allowed. */
import { parseShard, shardText } from '../core/shard.js';
import type { Mode, Raw } from './option.js';

function isCount(x: unknown, min: number): x is number {
  return typeof x === 'number' && Number.isSafeInteger(x) && x >= min;
}

/** Bounds of imgsz. At the upper one a pass of the smallest network takes 164 times as long and as much memory as at 640. */
export const MIN_SIZE = 32;
export const MAX_SIZE = 8192;

export function readSize(raw: Raw): number | [number, number] | undefined {
  const isSize = (x: unknown): x is number => isCount(x, MIN_SIZE) && x <= MAX_SIZE;
  if (isSize(raw)) return raw;
  if (!Array.isArray(raw) || !raw.every(isSize)) return undefined;
  return raw.length === 1 ? raw[0] : raw.length === 2 ? [raw[0], raw[1]] : undefined;
}

export function readBatch(raw: Raw, _: string, mode: Mode): number | undefined {
  if (raw === -1) return mode === 'train' ? raw : undefined;
  return isCount(raw, 1) ? raw : undefined;
}

export function readClasses(raw: Raw): number[] | null | undefined {
  if (raw === null) return null;
  const list = Array.isArray(raw) ? raw : [raw];
  return list.every((x): x is number => isCount(x, 0)) ? list : undefined;
}

export function readFreeze(raw: Raw): number | number[] | null | undefined {
  if (raw === null || isCount(raw, 0)) return raw as number | null;
  return Array.isArray(raw) && raw.every((x): x is number => isCount(x, 0)) ? raw : undefined;
}

/** On, off, or a file. */
export function readSwitchOrFile(raw: Raw, written: string): boolean | string | undefined {
  if (typeof raw === 'boolean') return raw;
  return raw === null ? false : written === '' ? undefined : written;
}

export function readCache(raw: Raw): false | 'ram' | 'disk' | undefined {
  if (raw === false || raw === null) return false;
  if (raw === true) return 'ram';
  const word = typeof raw === 'string' ? raw.toLowerCase() : '';
  return word === 'ram' || word === 'disk' ? word : undefined;
}

/** Checks the form only; the engine knows which devices exist. */
export function readDevice(raw: Raw, written: string): string | undefined {
  if (raw === null || written === '') return 'auto';
  return typeof raw === 'boolean' ? undefined : written.toLowerCase();
}

/** Mixed precision; true, as in Ultralytics, is on after a check. */
export function readAmp(raw: Raw): 'auto' | 'bf16' | false | undefined {
  if (typeof raw === 'boolean') return raw && 'auto';
  const word = typeof raw === 'string' ? raw.toLowerCase() : '';
  return word === 'auto' || word === 'bf16' ? word : word === 'fp32' ? false : undefined;
}

export function readRuns(raw: Raw, written: string): string[] | undefined {
  if (raw === null) return [];
  if (Array.isArray(raw)) return raw.map(String);
  return written === '' ? undefined : [written];
}

/** One of several parts of a job, i/n. */
export function readShard(raw: Raw, written: string): string | null | undefined {
  if (raw === null) return null;
  const shard = parseShard(written);
  return shard && shardText(shard);
}

/** Earlier versions of Ultralytics had a switch: true meant 0.5. */
export function readMultiScale(raw: Raw): number | undefined {
  if (typeof raw === 'boolean') return raw ? 0.5 : 0;
  return typeof raw === 'number' && raw >= 0 && raw <= 1 ? raw : undefined;
}
