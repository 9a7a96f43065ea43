/**
 * One frozen configuration of a mode: the defaults of the table, overridden by a cfg file, overridden by what is given on the
 * command line or by a program. Every value is converted and validated here, so that nothing below checks again.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cut } from '../core/brief.js';
import { messageOf, UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { similar, similarText } from '../core/suggest.js';
import { show, toRaw, unquote } from './convert.js';
import { FIXED, FOREIGN, HINTS, OTHER_NAMES, OWN_IN_FILE } from './names.js';
import type { Mode, Raw } from './option.js';
import { type ConfigOf, defaultOf, differsByMode, KEYS, type Key, OPTIONS, optionOf } from './schema.js';
import { asObject, readYaml } from './yaml.js';

/** Holds the keys that the user chose; is copied by `{...config}` and left out of JSON and YAML. */
const GIVEN = Symbol('given');

/** Where values come from; messages and strictness depend on it. */
interface Origin {
  mode: Mode;
  /** Path of the cfg file; absent for the command line and for programs. */
  file?: string;
}

type Values = Partial<Record<Key, unknown>>;

/**
 * @param overrides key → value, strings as on the command line, or values; `cfg` names a file whose keys they override
 * @returns frozen, every key of the table present
 * @throws UserError unknown key (with similar names), a value that is not allowed, a cfg file that is missing or not YAML;
 *   a key that this mode does not use is ignored with a warning
 */
export function resolveConfig<M extends Mode>(
  mode: M,
  overrides: Record<string, unknown> = {},
  { cfgFile }: { cfgFile?: string } = {},
): ConfigOf<M> {
  const { cfg, ...line } = overrides;
  const path = typeof cfg === 'string' && cfg !== '' ? unquote(cfg) : cfgFile;
  if (cfg === '') throw emptyValue('cfg');
  const useFile = path !== undefined && path.toLowerCase() !== 'none';
  const fromFile = useFile ? read(readCfgFile(path), { mode, file: path }) : {};
  const fromLine = read(line, { mode });

  const chosen: Values = { ...fromFile, ...fromLine };
  const config: Record<string | symbol, unknown> = { task: 'detect', mode };
  const defaultsOf = mode === 'benchmark' ? benchmarked(chosen.what) : mode;
  for (const key of KEYS) config[key] = chosen[key] ?? defaultOf(key, key === 'what' ? mode : defaultsOf);
  config.imgsz = squareWhereNeeded(config.imgsz as number | [number, number], mode);
  config.model ??= modelOf(mode, config);
  const changed = (Object.keys(fromFile) as Key[]).filter((key) => show(fromFile[key]) !== show(defaultOf(key, mode)));
  config[GIVEN] = new Set<Key>([...changed, ...(Object.keys(fromLine) as Key[])]);
  return Object.freeze(config) as unknown as ConfigOf<M>;
}

/**
 * Whether the user chose this key: named it on the command line (or in a program), or has another value than the default
 * in the cfg file. `optimizer=auto` keeps an lr0 and a momentum that were given.
 */
export function wasGiven(config: object, key: Key): boolean {
  return (config as { [GIVEN]?: Set<Key> })[GIVEN]?.has(key) ?? false;
}

/** The folder of the project's own YAML files. */
export function cfgFolder(): string {
  return fileURLToPath(new URL('../../cfg', import.meta.url));
}

/** The mode that a cfg file names, as args.yaml of a run does; undefined when there is none. */
export function modeInFile(path: string): unknown {
  return readCfgFile(unquote(path)).mode;
}

/** The mode whose defaults a benchmark measures with. */
function benchmarked(what: unknown): Mode {
  return what === 'val' || what === 'predict' ? what : 'train';
}

function modelOf(mode: Mode, { resume, what }: Record<string, unknown>): string | null {
  if (mode === 'check' || mode === 'convert' || mode === 'report' || mode === 'merge' || resume) return null;
  if (mode === 'show' && what !== 'assign') return null; // draws data alone
  const model = mode === 'benchmark' && (what === 'step' || what === 'epoch') ? 'yolov8n.yaml' : 'yolov8n.pt';
  log.info(`'model' is not given: using model=${model}`);
  return model;
}

function squareWhereNeeded(imgsz: number | [number, number], mode: Mode): number | [number, number] {
  if (typeof imgsz === 'number' || mode === 'predict' || mode === 'track' || mode === 'export') return imgsz;
  const side = Math.max(...imgsz);
  log.warn(`imgsz=${show(imgsz)} is not a single number, which ${mode} needs; using ${side}`);
  return side;
}

/** Checks and converts the entries of one origin. */
function read(entries: Record<string, unknown>, origin: Origin): Values {
  const values: Values = {};
  for (const [name, given] of Object.entries(entries)) {
    if (given === undefined || (origin.file !== undefined && OWN_IN_FILE.includes(name))) continue;
    if (name === 'mode' && given === origin.mode) continue;
    const entry = rename(name, given, origin);
    if (!entry || isFixed(entry.name, entry.given, origin)) continue;
    const key = knownKey(entry.name, origin, entries);
    if (key === undefined) continue;
    const value = readValue(key, entry.given, origin);
    if (value !== undefined) values[key] = value;
  }
  return values;
}

function where({ file }: Origin): string {
  return file === undefined ? '' : ` (in ${file})`;
}

function emptyValue(name: string): UserError {
  return new UserError('empty-value', `'${name}=' has no value`, `Write ${name}=VALUE, or leave ${name} out.`);
}

function refused(name: string, given: unknown, allowed: string, origin: Origin, advice?: string): UserError {
  if (given === '' && !origin.file) return emptyValue(name);
  const text = `'${cut(`${name}=${show(given)}`)}' is not allowed: ${name} takes ${allowed}${where(origin)}`;
  return new UserError('bad-value', text, advice);
}

function rawOf(name: string, given: unknown, origin: Origin): Raw {
  try {
    const raw = toRaw(given);
    if (raw !== undefined) return raw;
  } catch (error) {
    // A path may look like an unfinished list: [ab].jpg.
    if (Object.hasOwn(OPTIONS, name) && optionOf(name as Key).isPath) return String(given);
    throw new UserError(
      'bad-value',
      `'${cut(`${name}=${show(given)}`)}' cannot be read: ${messageOf(error)}${where(origin)}`,
    );
  }
  const kind = typeof given === 'object' ? 'a map' : `a ${typeof given}`;
  throw new UserError('bad-value', `'${name}' is ${kind}, not a value${where(origin)}`);
}

/** Translates old names of keys; null when a key no longer has any effect. */
function rename(name: string, given: unknown, origin: Origin): { name: string; given: unknown } | null {
  const other = Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : undefined;
  if (!other) return { name, given };
  const raw = rawOf(name, given, origin);
  const becomes = other.become(raw);
  if (becomes === undefined) throw refused(name, given, other.allowed ?? 'another value', origin);
  if (raw !== null || !origin.file) log.warn(other.warning + where(origin));
  return becomes && { name: becomes[0], given: becomes[1] };
}

function isFixed(name: string, given: unknown, origin: Origin): boolean {
  const fixed = Object.hasOwn(FIXED, name) ? FIXED[name] : undefined;
  if (!fixed) return false;
  const raw = rawOf(name, given, origin);
  if (fixed.values.includes(raw) || (raw === null && origin.file !== undefined)) return true;
  const takes = show(fixed.values[0]);
  throw new UserError(
    'fixed-key',
    `'${cut(`${name}=${show(given)}`)}' is not supported, only ${name}=${takes}: ${fixed.reason}${where(origin)}`,
  );
}

/** The key of that name if this mode honours it; undefined when it is ignored. */
function knownKey(name: string, origin: Origin, entries: Record<string, unknown>): Key | undefined {
  const { mode, file } = origin;
  const ignore = (why: string): undefined => {
    if (file === undefined) log.warn(`'${name}' ${why}; it is ignored`);
  };
  if (Object.hasOwn(FOREIGN, name)) return ignore(`belongs to ${FOREIGN[name]} and has no effect in detection`);
  if (!Object.hasOwn(OPTIONS, name)) throw unknownKey(name, origin, entries);
  const key = name as Key;
  const { modes } = optionOf(key);
  return modes.includes(mode) ? key : ignore(`is not used by ${mode}, only by ${modes.join(', ')}`);
}

function unknownKey(name: string, origin: Origin, entries: Record<string, unknown>): UserError {
  const near = Object.hasOwn(HINTS, name) ? [] : similar(name, [...KEYS, 'cfg', ...Object.keys(FIXED)]);
  const known = Object.hasOwn(HINTS, name) ? `. Here it is called ${HINTS[name]}` : similarText(near);
  const text = `'${cut(name)}' is not a valid argument${where(origin)}${known}`;
  const isDataset = origin.file !== undefined && 'names' in entries;
  const hint = isDataset
    ? `${origin.file} looks like a dataset: give it as data=${origin.file}.`
    : `'yolo help ${origin.mode}' lists the keys of ${origin.mode}.`;
  return new UserError('unknown-key', text, hint);
}

/** The value in the key's type; undefined: nothing given, the default stays. */
function readValue(key: Key, given: unknown, origin: Origin): unknown {
  const option = optionOf(key);
  const raw = rawOf(key, given, origin);
  if (raw === null && (differsByMode(key) || origin.file !== undefined)) return undefined;
  const written = typeof given === 'string' ? unquote(given.trim()) : show(given);
  const value = option.read(raw, written, origin.mode);
  if (value === undefined) {
    const { advice } = option;
    const said = typeof advice === 'function' ? advice(written, origin.mode) : advice;
    throw refused(key, given, option.allowed(origin.mode), origin, said);
  }
  return option.isPath && typeof value === 'string' ? withHome(value) : value;
}

/** Shells do not expand the ~ of `key=~/file`; Windows writes `~\file`, elsewhere that is a name. */
export function withHome(path: string, platform: string = process.platform): string {
  return path.startsWith('~/') || (platform === 'win32' && path.startsWith('~\\'))
    ? join(homedir(), path.slice(2))
    : path;
}

/** Reads a cfg file; a bare name that is not in the working folder is looked up among those of the project. */
function readCfgFile(path: string): Record<string, unknown> {
  const places = [withHome(path), ...(/[\\/]/.test(path) ? [] : [join(cfgFolder(), path)])];
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    throw new UserError(
      'missing-file',
      `cfg=${path}: there is no such file`,
      "'yolo copy-cfg' writes one to start from.",
    );
  }
  const value = readYaml(file, `cfg=${path}`);
  return value === null ? {} : asObject(value, 'epochs and imgsz', `cfg=${path}`);
}
