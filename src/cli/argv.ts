/**
 * The grammar of the command: `yolo [detect] MODE key=value …` in any order; `--key value` and `--key=value` work, too.
 * Words are told apart here; cfg/load.ts converts and checks values, so all of them stay strings.
 *
 * Of yargs this uses the parser of tokens. Its front end (commands, help, completion, suggestions) knows options as --key
 * alone: it would show and complete `--epochs` where users of YOLO write `epochs=3`, expects the command as the first word,
 * ends with code 1 for a wrong request, and suggests commands but no option names.
 */
import { existsSync } from 'node:fs';
import { FIXED, FOREIGN, HINTS, OTHER_NAMES } from '../cfg/names.js';
import { MODES, type Mode } from '../cfg/option.js';
import { KEYS, type Key, keysOf, OPTIONS } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { similar, similarText } from '../core/suggest.js';
import { isAssignment, joinArguments } from './join.js';
import { COMMANDS, type CommandWord, exampleOf, isCommand, isMode } from './words.js';

export interface Request {
  /** Absent: a command word, or nothing was asked for. */
  mode?: Mode;
  command?: CommandWord;
  /** key → value as written; the last one wins. */
  entries: Record<string, string>;
  /** Words after a command word (`help train`, `completion zsh`), run folders after `report` and `merge`. */
  words: string[];
}

const OTHER_TASKS = ['segment', 'classify', 'pose', 'obb', 'semantic'];
const NO_ACCOUNT = 'this tool has no online service and no accounts';
const OTHER_WORDS: Record<string, string> = {
  tune: 'hyperparameter search is not supported; yolo train takes each hyperparameter as a key, e.g. lr0=0.005',
  settings: 'there are no stored settings; everything is given by keys and cfg=FILE',
  solutions: 'solutions are not supported',
  hub: NO_ACCOUNT,
  login: NO_ACCOUNT,
  logout: NO_ACCOUNT,
};

export const isKey = (name: string): name is Key => Object.hasOwn(OPTIONS, name);

/** Whether a key alone, without a value, means true. */
export function isFlag(name: string): boolean {
  if (isKey(name)) return OPTIONS[name].isFlag;
  return Object.hasOwn(FIXED, name) || Object.hasOwn(FOREIGN, name) || name.startsWith('hide_');
}

/**
 * @param tokens what followed `yolo`
 * @throws UserError for words and forms that have no meaning
 */
export async function parseArgv(tokens: readonly string[]): Promise<Request> {
  const args = joinArguments(tokens);
  const command = args.find((arg, i) => commandOf(arg) && !(args[i - 1] ?? '').startsWith('--'));
  if (command !== undefined) {
    const words = args.filter((arg) => arg !== command && !arg.startsWith('-') && !isAssignment(arg));
    const entries = Object.fromEntries(
      args.filter(isAssignment).map((arg) => [nameOf(arg), arg.slice(arg.indexOf('=') + 1)]),
    );
    return { command: commandOf(command), entries, words };
  }
  const { entries, words } = await readDashed(args.flatMap((arg, i) => dashed(arg, args[i + 1], args[i - 1])));
  const request: Request = { entries, words: [] };
  const { mode = words.find(isMode) } = entries;
  delete entries.mode;
  if (mode !== undefined) request.mode = modeOf(mode);
  for (const word of words) if (word !== mode) readWord(word, request);
  return request;
}

/** A mode by its name. @throws UserError for another word */
export function modeOf(word: string): Mode {
  if (isMode(word)) return word;
  throw wordError(word);
}

/**
 * The mode of a request that names none: with source= it is predict, with data= it is val.
 * @throws UserError when neither is given, or a key that this mode does not use
 */
export function impliedMode(entries: Record<string, string>): Mode {
  const mode = entries.source !== undefined ? 'predict' : entries.data !== undefined ? 'val' : undefined;
  const names = Object.keys(entries).filter(isKey);
  if (mode !== undefined && names.every((name) => usesKey(mode, name))) {
    log.info(`no mode given: using ${mode}`);
    return mode;
  }
  const fitting = MODES.filter((other) => names.every((name) => usesKey(other, name)));
  const hint =
    fitting.length > 0 && !fitting.includes('predict')
      ? `Did you mean yolo ${fitting[0]} key=value …?`
      : exampleOf('predict');
  const text = `MODE is missing: yolo MODE key=value …, MODE is one of ${MODES.join(', ')}`;
  throw new UserError('missing-mode', text, hint);
}

function usesKey(mode: Mode, name: Key): boolean {
  return keysOf(mode).includes(name);
}

function commandOf(arg: string): CommandWord | undefined {
  if (arg === '-h' || arg === '--help') return 'help';
  if (arg === '-v' || arg === '-V' || arg === '--version') return 'version';
  return isCommand(arg) ? arg : undefined;
}

/** `key=value` becomes `--key=value`, `--some-key` `--some_key`, a flag alone `--flag=true`; words stay. */
function dashed(arg: string, next = '', before = ''): string[] {
  if (isAssignment(arg)) return [`--${nameOf(arg)}${arg.slice(arg.indexOf('='))}`];
  if (arg === '-' && before.startsWith('--')) return [];
  if (arg.startsWith('--') && arg.length > 2) {
    const name = nameOf(arg);
    if (next === '-') return [`--${name}=-`];
    return isFlag(name) && !/^(true|false)$/i.test(next) ? [`--${name}=true`] : [`--${name}`];
  }
  if (/^-[^\d.-]/.test(arg)) {
    throw new UserError('bad-argument', `'${arg}' is not a valid argument`, 'Write key=value or --key value.');
  }
  return [arg];
}

/** The key of `key=…`, `--key=…`, `--some-key`. */
export function nameOf(arg: string): string {
  return arg.replace(/^--/, '').split('=')[0].replaceAll('-', '_');
}

/** An argument that means to yargs what it says, unlike `--key value` and values in quotes. */
const PLAIN = /^(?!-)|^--\w+=(?!['"])/;

/** Pairs keys with values; everything is a string, the last of two wins. */
async function readDashed(args: string[]): Promise<{ entries: Record<string, string>; words: string[] }> {
  if (args.every((arg) => PLAIN.test(arg))) return readPlain(args); // loading yargs takes a tenth of the time to the first image
  const { Parser } = await import('yargs/helpers');
  const names = args.filter((arg) => arg.startsWith('--')).map(nameOf);
  const parsed = Parser(args, {
    string: names, // '007' stays as written
    configuration: {
      'boolean-negation': false, // --no-x is no key, and is refused as such
      'camel-case-expansion': false, // it would add saveTxt beside save_txt
      'dot-notation': false, // --a.b is no key
      'duplicate-arguments-array': false, // the last one wins
      'parse-positional-numbers': false,
    },
  });
  const { _: words, ...entries } = parsed;
  return { entries: entries as Record<string, string>, words: words.map(String) };
}

function readPlain(args: string[]): { entries: Record<string, string>; words: string[] } {
  const isKeyed = (arg: string) => arg.startsWith('--');
  const pairs = args.filter(isKeyed).map((arg) => [nameOf(arg), arg.slice(arg.indexOf('=') + 1)]);
  return { entries: Object.fromEntries(pairs), words: args.filter((arg) => !isKeyed(arg)) };
}

/** A word without `=` that is not the mode: task, a key that is true when named, a run folder. */
function readWord(word: string, request: Request): void {
  if (word === 'detect' || word === '') return;
  if (OTHER_TASKS.includes(word)) {
    throw new UserError('other-task', `'${word}' is not supported: this tool does detection only`);
  }
  const name = word.replaceAll('-', '_');
  if (isFlag(name)) request.entries[name] ??= 'true';
  else if (isKey(name) || Object.hasOwn(OTHER_NAMES, name)) throw missingValue(name);
  else if (Object.hasOwn(HINTS, name)) throw missingValue(HINTS[name]);
  else if (request.mode === 'report' || request.mode === 'merge') request.words.push(word);
  else throw wordError(word);
}

function missingValue(name: string): UserError {
  const example = isKey(name) ? exampleValue(name) : 'VALUE';
  return new UserError('missing-value', `'${name}' has no value`, `Write ${name}=${example}`);
}

function exampleValue(key: Key): string {
  const value = OPTIONS[key].default;
  return value === null || typeof value === 'object' ? 'VALUE' : String(value);
}

function wordError(arg: string): UserError {
  if (Object.hasOwn(OTHER_WORDS, arg)) return new UserError('not-offered', `'${arg}': ${OTHER_WORDS[arg]}`);
  const near = similar(arg, [...MODES, ...Object.keys(COMMANDS), ...KEYS]);
  const text = `'${arg}' is not a valid argument${similarText(near)}`;
  return new UserError('bad-argument', text, hintFor(arg));
}

function hintFor(arg: string): string {
  if (/\.(pt|safetensors|onnx)$/i.test(arg)) return `If it is the model, write model=${arg}`;
  if (/\.ya?ml$/i.test(arg)) return `Write data=${arg}, model=${arg} or cfg=${arg}`;
  if (existsSync(arg) || /^https?:\/\/|\.(jpe?g|png|webp|bmp|gif|tiff?|avif|mp4|mov|avi|mkv)$/i.test(arg))
    return `If it is the source, write source=${arg}`;
  return "'yolo help' lists modes and commands.";
}
