/**
 * Help, from the option table: modes and commands, and the keys of a mode with their defaults. yargs would list them as
 * `--epochs`; here keys are written `epochs=100`.
 */
import { show } from '../cfg/convert.js';
import { FIXED, FOREIGN, HINTS, OTHER_NAMES } from '../cfg/names.js';
import { helpIn, type Mode } from '../cfg/option.js';
import { defaultOf, type Key, keysOf, optionOf } from '../cfg/schema.js';
import { out } from './terminal.js';
import { ABOUT, COMMANDS, EXAMPLES } from './words.js';

const ENVIRONMENT: Record<string, string> = {
  YOLO_CACHE: 'folder for engine, weights and generated datasets',
  YOLO_ENGINE: 'tensorflow or wasm: try no other engine',
  YOLO_MAX_MEGAPIXELS: 'largest image that is decoded; default: from memory size',
  YOLO_MAX_UNPACKED_GB: 'limit for the unpacked size of a dataset archive',
};

/** What `yolo help` prints. */
export function generalHelp(version: string): string {
  const list = (rows: Record<string, string>, width = 12): string[] =>
    Object.entries(rows).map(([name, text]) => `  ${out.cyan(name.padEnd(width))}${text}`);
  return [
    `${out.bold('yolo')} ${version}: YOLOv8 object detection on TensorFlow.js`,
    '',
    `  yolo [detect] MODE key=value …      (or --key value, --key=value)`,
    '',
    out.bold('Modes'),
    ...list(ABOUT),
    '',
    out.bold('Other commands'),
    ...list(COMMANDS),
    '',
    out.bold('Examples'),
    ...(['predict', 'train', 'val', 'export'] as const).map((mode) => `  ${EXAMPLES[mode][0]}`),
    '',
    out.bold('Environment variables'),
    ...list(ENVIRONMENT, 22),
    '',
    "'yolo help train' lists the keys of a mode. cfg=my.yaml reads keys from a file.",
  ].join('\n');
}

/** What `yolo help MODE` prints: the keys of the mode in their groups. */
export function modeHelp(mode: Mode): string {
  const lines = [`${out.bold(`yolo ${mode}`)}: ${ABOUT[mode]}`, '', ...EXAMPLES[mode].map((line) => `  ${line}`)];
  const keys = keysOf(mode);
  const widest = Math.max(...keys.map((key) => assignment(key, mode).length)) + 4;
  let group = '';
  for (const key of keys) {
    if (optionOf(key).group !== group) lines.push('', out.bold(optionOf(key).group));
    group = optionOf(key).group;
    lines.push(...row(key, mode, widest));
  }
  return [
    ...lines,
    '',
    out.bold('Configuration file'),
    `${'  cfg=FILE'.padEnd(widest)}YAML file of keys; the command line takes precedence`,
  ].join('\n');
}

/** What `yolo help KEY` prints. */
export function keyHelp(key: Key): string {
  const { help, modes, allowed } = optionOf(key);
  return [
    out.bold(key),
    ...field(
      'meaning',
      byMode(modes, (mode) => helpIn(help, mode)),
    ),
    ...field('takes', byMode(modes, allowed)),
    ...field(
      'default',
      byMode(modes, (mode) => assignment(key, mode)),
    ),
    ...field('modes', [modes.join(', ')]),
  ].join('\n');
}

/** What differs by mode says for which ones it holds. */
function byMode(modes: readonly Mode[], textOf: (mode: Mode) => string): string[] {
  const groups = new Map<string, Mode[]>();
  for (const mode of modes) groups.set(textOf(mode), [...(groups.get(textOf(mode)) ?? []), mode]);
  if (groups.size === 1) return [...groups.keys()];
  return [...groups].map(([text, some]) => `${some.join(', ')}: ${text}`);
}

/** `  name     text`, wrapped to 80 columns. */
function field(name: string, texts: readonly string[]): string[] {
  const lines = texts.flatMap((text) => wrap(text, 80 - FIELD).map((line, i) => (i ? `  ${line}` : line)));
  return lines.map((line, i) => `  ${(i ? '' : name).padEnd(FIELD - 4)}${line}`);
}

const FIELD = 13;

/** What `yolo help WORD` prints for a key of another YOLO tool; undefined for any other word. */
export function otherHelp(word: string): string | undefined {
  const has = (table: object): boolean => Object.hasOwn(table, word);
  if (has(HINTS)) return `${out.bold(word)}: called ${HINTS[word]} here`;
  if (has(OTHER_NAMES)) return `${out.bold(word)}: ${OTHER_NAMES[word].warning}`;
  if (has(FOREIGN)) return `${out.bold(word)}: belongs to ${FOREIGN[word]} and has no effect in detection`;
  return has(FIXED) ? `${out.bold(word)}=${show(FIXED[word].values[0])}: ${FIXED[word].reason}` : undefined;
}

function assignment(key: Key, mode: Mode): string {
  const value = defaultOf(key, mode);
  return `${key}=${value === null || (Array.isArray(value) && value.length === 0) ? '' : String(value)}`;
}

/** `  key=default   help`, the help wrapped to 80 columns. */
function row(key: Key, mode: Mode, indent: number): string[] {
  const shown = assignment(key, mode);
  const { help, words } = optionOf(key);
  const text = words ? `${helpIn(help, mode)} (${words(mode).join(', ')})` : helpIn(help, mode);
  const [first, ...rest] = wrap(text, 80 - indent);
  const head = `  ${out.cyan(key)}${shown.slice(key.length)}`;
  return [head + ' '.repeat(indent - 2 - shown.length) + first, ...rest.map((line) => ' '.repeat(indent) + line)];
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (lines[last] !== '' && lines[last].length + 1 + word.length > width) lines.push(word);
    else lines[last] += (lines[last] && ' ') + word;
  }
  return lines;
}
