/** Reads the YAML file of the option `tracker`: settings of a tracker, with the names that other YOLO tools use. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cfgFolder } from '../../cfg/load.js';
import { readYamlObject } from '../../cfg/yaml.js';
import { brief } from '../../core/brief.js';
import { UserError } from '../../core/errors.js';
import { similar, similarText } from '../../core/suggest.js';
import { TRACKER_DEFAULTS, type TrackerSettings } from '../../track/byte-tracker.js';

type Key = keyof TrackerSettings;

const KEYS = Object.keys(TRACKER_DEFAULTS) as Key[];
const HINT = 'yolo track tracker=bytetrack.yaml';

/** Valid values of each key. */
const ALLOWED: Record<Key, [what: string, allows: (value: unknown) => boolean]> = {
  track_high_thresh: ['a number from 0 to 1', isShare],
  track_low_thresh: ['a number from 0 to 1', isShare],
  new_track_thresh: ['a number from 0 to 1', isShare],
  track_buffer: ['an integer of at least 0', (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  match_thresh: ['a number from 0 to 1', isShare],
  fuse_score: ['true or false', (value) => typeof value === 'boolean'],
};

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1;
}

/**
 * Reads the settings; missing keys have their defaults.
 * @param tracker path of a file, or name of a file in cfg/trackers
 * @throws UserError 'not-supported' for a tracker other than ByteTrack, 'missing-file', 'unknown-key', 'bad-value'
 */
export function readTracker(tracker: string): TrackerSettings {
  const places = [tracker, join(cfgFolder(), 'trackers', tracker)];
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    if (/^botsort(\.ya?ml)?$/i.test(basename(tracker))) throw notSupported(tracker, 'BoT-SORT');
    throw new UserError('missing-file', `tracker=${tracker}: there is no such file`, HINT);
  }
  const raw = readYamlObject(file, 'tracker_type and track_buffer');
  const { tracker_type: type = 'bytetrack', ...given } = raw;
  if (type !== 'bytetrack') throw notSupported(tracker, brief(type));
  for (const [key, value] of Object.entries(given)) check(file, key, value);
  return { ...TRACKER_DEFAULTS, ...given };
}

function notSupported(tracker: string, type: string): UserError {
  return new UserError('not-supported', `tracker=${tracker}: ${type} is not supported, only ByteTrack`, HINT);
}

function check(file: string, key: string, value: unknown): void {
  if (!Object.hasOwn(ALLOWED, key)) {
    const text = `${file}: '${key}' is not a setting of ByteTrack${similarText(similar(key, KEYS))}`;
    throw new UserError('unknown-key', text, `its settings are tracker_type, ${KEYS.join(', ')}`);
  }
  const [what, allows] = ALLOWED[key as Key];
  if (!allows(value)) throw new UserError('bad-value', `${file}: ${key} takes ${what}, got ${brief(value)}`);
}
