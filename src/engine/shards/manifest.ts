/**
 * shard.json in the run folder of a shard: what was computed, with which settings, weights and data. It is written last, so
 * that a folder with it is complete. `yolo merge` reads it; docs/shards.md describes it.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UserError } from '../../core/errors.js';
import { parseShard, type Shard } from '../../core/shard.js';
import type { Speed } from '../../core/types.js';
import { version } from '../../core/version.js';
import { writeFileAtomic } from '../../io/files.js';

export const MANIFEST = 'shard.json';
const FORMAT = 'yolov8-tfjs shard';
const FORMAT_VERSION = 1;

/** Modes that can be run in shards. */
export type ShardMode = 'predict' | 'val';

/** Weights or data, by name and hash. */
export interface Identified {
  /** As the user gave it. */
  name: string;
  sha256: string;
}

/** What is known of a shard before it is computed. */
export interface ShardPlan {
  mode: ShardMode;
  /** i/n */
  shard: string;
  /** Every key of the mode, with the values that were used. */
  settings: Record<string, unknown>;
  model: Identified;
  /** Predict: the list of sources. Val: paths, sizes and labels of all images, and the class names. */
  data: Identified;
  /** What ran the model, for people. */
  engine: string;
  /** Largest number of images in a batch. */
  batch: number;
}

/** The contents of shard.json. */
export interface Manifest extends ShardPlan {
  format: typeof FORMAT;
  format_version: typeof FORMAT_VERSION;
  /** Version of the package. */
  version: string;
  done: ShardDone;
}

/** What a shard comes to. */
export interface ShardDone {
  /** Images and frames. */
  images: number;
  /** Images that could not be read. */
  failed: { path: string; reason: string }[];
  /** Predict: label files. */
  labels?: number;
  /** Mean milliseconds per image. */
  speed: Speed;
  /** Predict: height and width of the network's input in the last batch. */
  inputShape?: [height: number, width: number];
}

/** A shard that was read. */
export interface ReadShard extends Manifest {
  dir: string;
  part: Shard;
}

/** Writes shard.json. */
export function writeManifest(dir: string, plan: ShardPlan, done: ShardDone): void {
  const manifest: Manifest = { format: FORMAT, format_version: FORMAT_VERSION, version: version(), ...plan, done };
  writeFileAtomic(join(dir, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** @throws UserError 'no-shard' when the folder is none of a shard, or not complete; 'broken-shard'; 'shard-version' */
export function readManifest(dir: string): ReadShard {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError('no-shard', `there is no folder ${dir}`, 'name the run folders of all shards');
  const path = join(dir, MANIFEST);
  if (!existsSync(path))
    throw new UserError(
      'no-shard',
      `${dir} is not the complete run folder of a shard: it has no ${MANIFEST}`,
      'it is written at the end of yolo predict or yolo val with shard=i/n; run that shard again, with exist_ok to use the same folder',
    );
  const value = parsed(path);
  const part = parseShard(String(value.shard));
  if (value.format !== FORMAT || !part || !isWhole(value)) throw broken(path, 'it is not what this program writes');
  const expected = [String(FORMAT_VERSION), version()];
  const found = [String(value.format_version), String(value.version)];
  if (found.join() !== expected.join())
    throw new UserError(
      'shard-version',
      `${path} was written by version ${found[1]} (format ${found[0]}), and this is version ${expected[1]} (format ${expected[0]})`,
      'use the same version for all shards and for merging',
    );
  return { ...(value as unknown as Manifest), dir, part };
}

function parsed(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw broken(path, messageOf(error).split('\n')[0]);
  }
  throw broken(path, 'it is not a JSON object');
}

/** Whether everything that is used later is there. */
function isWhole({ mode, settings, model, data, done, batch, engine }: Record<string, unknown>): boolean {
  const has = (value: unknown, keys: readonly string[]): boolean =>
    typeof value === 'object' && value !== null && keys.every((key) => Object.hasOwn(value, key));
  const identified = ['name', 'sha256'];
  return (
    (mode === 'predict' || mode === 'val') &&
    has(settings, []) &&
    has(model, identified) &&
    has(data, identified) &&
    has(done, ['images', 'failed', 'speed']) &&
    typeof batch === 'number' &&
    typeof engine === 'string'
  );
}

function broken(path: string, why: string): UserError {
  return new UserError('broken-shard', `${path} cannot be used: ${why}`, 'run that shard again', 1);
}
